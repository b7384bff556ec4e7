"""The recipe of a pocket build: how much text, how many pictures, how long each training, which arms are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from viscodex.core.recipe import Recipe, parse_set
from viscodex.train.recipe import TrainRecipe

Budget = Literal["smoke", "cpu", "gpu", "further"]
Start = Literal["random", "shipped"]
Training = Literal["base", "strips", "vlm", "code", "sft", "projector", "ship"]
TRAININGS: tuple[Training, ...] = ("base", "strips", "vlm", "code", "sft", "projector", "ship")

COMMON: dict[str, Any] = {
    "batch_size": 16,
    "batch_tokens": 4096,
    "max_length": 1024,
    "lr": 1e-3,
    "warmup": 0.05,
    "final_lr": 0.02,
    "weight_decay": 0.02,
    "beta2": 0.98,
    "precision": "mixed",
    "checkpointing": False,
    "loss_chunk": 4096,
    "workers": 1,
    "ahead": 4,
    "checkpoint_every": 200,
    "eval_every": 200,
    "eval_share": 0.01,
    "eval_limit": 96,
}
"""Settings of every training here, as far as its own table does not say otherwise."""


class Sizes(BaseModel):
    """How many problems of each kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chart: int = Field(0, ge=0, description="Charts.")
    page: int = Field(0, ge=0, description="Pages.")
    question: int = Field(0, ge=0, description="Questions about charts and pages.")
    algorithm: int = Field(0, ge=0, description="Functions to write.")


class PocketRecipe(Recipe):
    """Everything `viscodex pocket build` needs to know. Every key can be given by `--set key=value`."""

    model_config = ConfigDict(strict=True)
    job: ClassVar[str] = "pocket"

    budget: Budget = Field(
        "cpu", description="Whose numbers the rest takes: smoke, cpu, gpu or further, a packaged recipe each."
    )
    start: Start = Field(
        "random",
        description="random: base, vlm and code are trained; shipped: they are those that came with viscodex, so that "
        "the search of λ, the fine-tuning of every arm and the tests alone are done anew.",
    )
    further: bool = Field(
        False, description="With start = shipped: train the vlm that shipped further, before all that."
    )
    corpus: int = Field(gt=0, description="Documents that the base is trained on: programs, pages, descriptions.")
    copying: int = Field(gt=0, description="Further documents, that teach it to copy.")
    describe: Sizes = Field(description="Pictures that the vision-language model learns to describe.")
    write: Sizes = Field(description="Descriptions that the code model learns to write from, and its functions.")
    mcd: Sizes = Field(description="Rows of the fine-tuning data: picture to code, questions, functions.")
    choose: Sizes = Field(description="Problems that λ is chosen by; none of them is tested on.")
    test: Sizes = Field(description="Problems of the test sets.")
    lambdas: list[float] = Field(min_length=1, description="λ that are tried, the weight of the vision-language model.")
    choose_steps: int = Field(80, gt=0, description="Steps that each is fine-tuned for before its loss is compared.")
    seeds: list[int] = Field(min_length=1, description="Seeds of the fine-tuning, for every arm of the ablation.")
    arms: list[str] = Field(
        ["merge", "no-merge", "replace-1stage", "replace-2stage"], description="What is fine-tuned and compared."
    )
    base: dict[str, Any] = Field(default_factory=dict, description="Settings of the base's training (see train).")
    strips: dict[str, Any] = Field(
        default_factory=dict,
        description="Of the vision-language model's on strips alone, before whole pictures. Empty: none.",
    )
    vlm: dict[str, Any] = Field(default_factory=dict, description="Of the vision-language model's on both.")
    code: dict[str, Any] = Field(default_factory=dict, description="Of the code model's.")
    sft: dict[str, Any] = Field(default_factory=dict, description="Of the fine-tuning, the same for every arm.")
    projector: dict[str, Any] = Field(
        default_factory=dict, description="Of the projector alone, the first stage of replace-2stage."
    )
    ship: dict[str, Any] = Field(
        default_factory=dict,
        description="Of the fine-tuning of the model that ships, where other than sft: longer, say, than any arm's. "
        "Empty: the merge of the first seed ships.",
    )
    workers: int = Field(2, gt=0, description="Processes that draw and score.")
    ranks: int = Field(1, gt=0, description="Processes of each training (torchrun); on two cores, 2 are twice as fast.")

    @field_validator("lambdas")
    @classmethod
    def _a_merge(cls, lambdas: list[float]) -> list[float]:
        if not any(0 < lam < 1 for lam in lambdas):
            raise ValueError("no λ between 0 and 1: nothing would be merged")
        return lambdas

    @model_validator(mode="after")
    def _further_than_what(self) -> Self:
        if self.further and self.start != "shipped":
            raise ValueError("further = true trains on from the shipped vlm: it needs start = shipped")
        return self

    @field_validator("seeds")
    @classmethod
    def _different(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("the same seed twice is the same run twice, and no narrower interval")
        return seeds

    @field_validator("arms")
    @classmethod
    def _known(cls, arms: list[str]) -> list[str]:
        for arm in arms:
            if arm not in ARMS:
                raise ValueError(f"no arm {arm}: {', '.join(ARMS)}")
        return list(dict.fromkeys(arms))

    def training(self, name: Training, parts: Sequence[str], **given: Any) -> TrainRecipe:
        """The train recipe of a stage; `given` are paths and seeds."""
        own = self.sft | self.ship if name == "ship" else getattr(self, name)
        values = COMMON | {"name": f"pocket-{name}", "train_parts": list(parts)} | own | given
        return TrainRecipe.parse(values, where=f"{name} of the pocket recipe")


POCKET = "viscodex-pocket"
ARMS = ("merge", "no-merge", "replace-1stage", "replace-2stage")


def load(settings: Sequence[str] | Mapping[str, Any] = ()) -> PocketRecipe:
    """The packaged recipe of the budget that the settings name, with the other settings in place."""
    overrides = dict(settings) if isinstance(settings, Mapping) else parse_set(settings)
    return PocketRecipe.load(str(overrides.get("budget", "cpu")), overrides)
