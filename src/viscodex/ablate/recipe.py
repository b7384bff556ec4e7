"""The recipe of an ablation: which models, which arms, how each is fine-tuned and tested."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from viscodex.checkpoint.layout import Part
from viscodex.core.recipe import Recipe
from viscodex.eval.recipe import EvalRecipe
from viscodex.train.recipe import TrainRecipe

Kind = Literal["merge", "no-merge", "replace-1stage", "replace-2stage"]
KINDS: tuple[Kind, ...] = ("merge", "no-merge", "replace-1stage", "replace-2stage")
TITLES: dict[Kind, str] = {
    "merge": "merge + SFT",
    "no-merge": "no merge, SFT only",
    "replace-1stage": "replace the backbone, one stage",
    "replace-2stage": "replace the backbone, two stages",
}


@dataclass(frozen=True)
class Arm:
    """One starting point: how it is made, from which code model, with which λ."""

    name: str
    title: str
    kind: Kind
    code: str
    lam: float

    @property
    def start(self) -> str:
        """The name of the model it starts from; arms of one start share it."""
        if self.kind == "no-merge":
            return "vlm"
        return f"replace-{self.code}" if self.kind.startswith("replace") else f"merge-{self.code}-{self.lam:g}"


class AblateRecipe(Recipe):
    """Everything `viscodex ablate` needs to know. Every key can be given by `--set key=value`."""

    model_config = ConfigDict(strict=True)
    job: ClassVar[str] = "ablate"

    vlm: str = Field("", description="The vision-language model: a folder or a hub id.")
    code: dict[str, str] = Field(default_factory=dict, description="Code LLMs by name; the first is the main one.")
    base: str = Field("", description="Their base, for merge methods that need it.")
    method: str = Field("task_arithmetic", description="How backbones are merged.")
    lam: float = Field(0.7, ge=0, le=1, alias="lambda", description="λ of the main arm, the VLM's weight.")
    lambdas: list[float] = Field(default_factory=list, description="Other λ, each an arm of the main code model.")
    arms: list[Kind] = Field(
        list(KINDS), description="Which arms of the main code model; other code models are merged."
    )
    seeds: list[int] = Field([0, 1, 2], min_length=1, description="Seeds of the fine-tuning, for every arm.")
    untuned: bool = Field(True, description="Also test the VLM and the merged model as they are, without fine-tuning.")
    train: dict[str, Any] = Field(default_factory=dict, description="Settings of the fine-tuning (see train).")
    projector: dict[str, Any] = Field(
        default_factory=dict, description="What the projector's own stage of replace-2stage has otherwise."
    )
    eval: dict[str, Any] = Field(default_factory=dict, description="Settings of the evaluation (see eval).")
    workers: int = Field(1, gt=0, description="Processes that score.")

    @field_validator("lambdas")
    @classmethod
    def _lambda_range(cls, values: list[float]) -> list[float]:
        if any(not 0.0 <= value <= 1.0 for value in values):
            raise ValueError("λ is the VLM's weight, from 0 to 1")
        return values

    @field_validator("seeds")
    @classmethod
    def _different(cls, values: list[int]) -> list[int]:
        if len(set(values)) < len(values):
            raise ValueError("the same seed twice is the same run twice, and no narrower interval")
        return values

    @field_validator("code")
    @classmethod
    def _plain_names(cls, values: dict[str, str]) -> dict[str, str]:
        for name in values:
            if not name.replace("-", "").replace("_", "").isalnum():
                raise ValueError(f"{name!r} is to be a name of letters and numbers: folders are called so")
        return values

    @model_validator(mode="after")
    def _jobs_understand(self) -> AblateRecipe:
        """The settings of the other jobs are checked now, not after hours."""
        self.training("", "train", 0, ["backbone"])
        self.training("", "projector", 0, ["projector"])
        self.evaluation({"generator": "oracle"})
        return self

    def training(self, model: str, stage: Literal["train", "projector"], seed: int, parts: list[Part]) -> TrainRecipe:
        """The train recipe of a stage."""
        more = self.projector if stage == "projector" else {}
        values = {"name": f"{self.name}-{stage}"} | self.train | more
        return TrainRecipe.parse(values | {"model": model, "seed": seed, "train_parts": parts}, where=f"[{stage}]")

    def evaluation(self, answers: dict[str, Any]) -> EvalRecipe:
        """The eval recipe for someone's answers."""
        return EvalRecipe.parse(self.eval | answers, where="[eval]")

    def all_arms(self) -> Iterator[Arm]:
        """The arms of the main code model, the other code models, the other λ."""
        main = next(iter(self.code), "")
        for kind in dict.fromkeys(self.arms):
            yield Arm(kind, TITLES[kind], kind, main, self.lam)
        for name in list(self.code)[1:]:
            yield Arm(f"merge-{name}", f"merge with {name} + SFT", "merge", name, self.lam)
        for lam in dict.fromkeys(self.lambdas):
            if lam != self.lam:
                yield Arm(f"lambda-{lam:g}", f"merge at λ = {lam:g} + SFT", "merge", main, lam)
