"""The recipe of a data set: which categories with which settings, which model helps, and how rows are split."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

from pydantic import Field, ValidationError, model_validator

from viscodex.core.recipe import Recipe
from viscodex.data.algorithm import Settings as AlgorithmSettings
from viscodex.data.chart import Settings as ChartSettings
from viscodex.data.decontaminate import Settings as DecontaminationSettings
from viscodex.data.html import Settings as HtmlSettings
from viscodex.data.qa import Settings as QaSettings
from viscodex.runner.service import Service, Terms

SCRIPTED = "scripted"
SCRIPTED_MODEL = "scripted-1"  # raised with every change of what the script answers: replies are kept by name
SEEDED = ("html", "chart", "algorithm")


class Model(Terms):
    """The language model that writes, repairs and judges, behind any OpenAI-compatible endpoint."""

    endpoint: str = Field(
        default="", description='Its URL; empty: rules only; "scripted": a stand-in of ours on a loopback port.'
    )
    model: str = Field(default="", description="Its name there.")

    @model_validator(mode="after")
    def _is_a_service(self) -> Self:
        if self.endpoint and self.endpoint != SCRIPTED:
            if not self.model:
                raise ValueError("an endpoint needs the model's name there")
            try:
                self.service(self.endpoint)
            except ValidationError as error:
                raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
        return self

    @property
    def name(self) -> str:
        """Who answers, as rows and the card say it; empty: nobody."""
        return SCRIPTED_MODEL if self.endpoint == SCRIPTED else self.model if self.endpoint else ""

    def service(self, url: str) -> Service:
        """The service at an address."""
        values = {name: getattr(self, name) for name in Terms.model_fields}
        return Service(url=url, model=self.name, **values)


class DataRecipe(Recipe):
    """Everything `viscodex data build` needs to know. Every key can be given by `--set key=value`."""

    job: ClassVar[str] = "data"

    html: HtmlSettings | None = Field(None, description="Pages: new ones in the style of pictures of pages.")
    chart: ChartSettings | None = Field(None, description="Charts: plotting scripts that run, and what they draw.")
    qa: QaSettings | None = Field(None, description="Questions with pictures, of a Stack Exchange dump.")
    algorithm: AlgorithmSettings | None = Field(None, description="Problems whose solutions pass their tests.")
    decontaminate: DecontaminationSettings = Field(
        default_factory=lambda: DecontaminationSettings(),
        description="What rows of all categories are held against; no benchmarks: the stage is left out.",
    )
    llm: Model = Model()
    rules_only: bool = Field(False, description="Ask no model: rules stand in, or a stage is left out.")
    limit: int = Field(0, ge=0, description="Only the first so many drafts of each category; 0 is all.")
    splits: dict[str, float] = Field({"train": 1.0}, description="Split → its share of the rows, by hash of id.")
    workers: int = Field(0, ge=0, le=256, description="Worker processes; 0 is one per core. They change no row.")
    ray: str = Field("", description='A Ray cluster for the worker processes: its address, "auto", or "local".')
    row_s: float = Field(300.0, gt=0, description="Seconds that a stage may take for one row before it is ended.")
    tries: int = Field(3, ge=1, description="For a row whose worker dies, hangs or raises.")

    @model_validator(mode="before")
    @classmethod
    def _one_seed(cls, values: Any) -> Any:
        """A category that draws begins with the recipe's seed, unless it has one of its own."""
        if not isinstance(values, dict) or "seed" not in values:
            return values
        drawn = {
            name: {"seed": values["seed"], **values[name]} for name in SEEDED if isinstance(values.get(name), dict)
        }
        return values | drawn

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.splits or not math.isclose(sum(self.splits.values()), 1.0):
            raise ValueError(f"the shares of splits make {sum(self.splits.values()):g}, not 1")
        if any(share < 0 or not name.isidentifier() for name, share in self.splits.items()):
            raise ValueError("a split has a name of letters, and no negative share")
        return self

    @property
    def model_name(self) -> str:
        """The model that is asked; empty: rules only."""
        return "" if self.rules_only else self.llm.name
