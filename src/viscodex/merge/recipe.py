"""The recipe of a merge: which models, which method, how much of each."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from viscodex.core.recipe import Recipe
from viscodex.merge.weights import Anchors, Patterns, Weight

MethodName = Literal[
    "task_arithmetic",
    "linear",
    "replace",
    "slerp",
    "model_stock",
    "metagpt",
    "metagpt_layerwise",
    "uncorrelated",
    "ties",
    "dare_linear",
    "dare_ties",
    "della",
    "breadcrumbs",
    "sce",
    "wudi",
]
Module = Literal["embeddings", "attention", "mlp", "norms", "head"]
MODULES: tuple[Module, ...] = ("embeddings", "attention", "mlp", "norms", "head")

_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


LARGEST_SIZE = 2**60


def parse_size(value: Any) -> Any:
    """`"5GB"` → 5_000_000_000."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*([\d.]+)\s*([KMG]i?B)?\s*", value, re.IGNORECASE)
        if not match:
            raise ValueError(f'not a size: "{value}" (write 5GB or 500MB)')
        size = float(match[1]) * _UNITS[(match[2] or "").upper()]
        if size > LARGEST_SIZE:
            raise ValueError(f'not a size of a file: "{value}"')
        return int(size)
    return value


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) and value else value or []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_anchors(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_number, value))


def _weight_shape(value: Any) -> Any:
    """One message for a union of three types."""
    entries = value.values() if isinstance(value, dict) else [value]
    if value is None or all(_is_number(entry) or _is_anchors(entry) for entry in entries):
        return value
    raise ValueError("a weight is a number, a list of numbers (anchors), or a table of name patterns and these")


WeightField = Annotated[float | Anchors | Patterns, Field(union_mode="left_to_right"), BeforeValidator(_weight_shape)]


class MergeRecipe(Recipe):
    """Everything `viscodex merge` needs to know. Every key can be given by `--set key=value`."""

    model_config = ConfigDict(strict=True)  # true is no number, "0.7" neither
    job: ClassVar[str] = "merge"

    vlm: str = Field("", description="The vision-language model: a folder or a hub id. Its vision parts are kept.")
    code: Annotated[list[str], BeforeValidator(_one_or_many)] = Field(
        default_factory=list, description="The code LLM, or several, tuned from the same base as the VLM's backbone."
    )
    base: str = Field("", description="The common base; read only by methods that need it.")
    method: MethodName = Field("task_arithmetic", description="How the backbones are combined.")
    lam: WeightField | None = Field(
        None, alias="lambda", description="λ, the VLM's weight: a number, anchors over the layers, or name patterns."
    )
    weights: list[WeightField] | None = Field(
        None,
        description="Instead of λ: one weight per model, the VLM's first. With λ: how the code models share 1 − λ.",
    )
    embeddings: Literal["merge", "vlm"] = Field(
        "merge", description="Embedding and lm_head: merged, or the VLM's. Vision-token rows are the VLM's either way."
    )
    merge: list[Module] = Field(
        list(MODULES), min_length=1, description="Module kinds of the backbone to merge; others stay the VLM's."
    )
    dtype: Literal["", "bfloat16", "float16", "float32"] = Field(
        "", description="Output format of what is merged; empty is the VLM's own. What is copied keeps its format."
    )
    shard_size: Annotated[int, BeforeValidator(parse_size)] = Field(5_000_000_000, gt=0, description="Largest file.")
    density: float | None = Field(None, gt=0, le=1, description="Share of each task vector that is kept.")
    gamma: float | None = Field(None, ge=0, lt=1, description="breadcrumbs: share of the largest elements dropped.")
    epsilon: float | None = Field(None, ge=0, lt=1, description="della: spread of the drop probability over the ranks.")
    scale: float | None = Field(None, allow_inf_nan=False, description="Factor on the merged task vector.")
    steps: int | None = Field(None, gt=0, description="wudi: conjugate-gradient steps.")

    @field_validator("lam", mode="before")
    @classmethod
    def _taken_out(cls, value: Any) -> Any:
        """`--set lambda=` takes a packaged recipe's λ out, as TOML has no word for nothing."""
        return None if value == "" else value

    @field_validator("lam")
    @classmethod
    def _lambda_range(cls, value: Weight | None) -> Weight | None:
        for number in _numbers(value):
            if not 0.0 <= number <= 1.0:
                raise ValueError(f"λ is the VLM's weight, from 0 to 1, not {number}")
        return value

    @field_validator("lam", "weights")
    @classmethod
    def _finite(cls, value: Any, info: ValidationInfo) -> Any:
        for weight in (value or []) if info.field_name == "weights" else [value]:
            if weight in ([], {}) or (isinstance(weight, dict) and [] in weight.values()):
                raise ValueError("a weight must not be empty")
            if not all(math.isfinite(number) for number in _numbers(weight)):
                raise ValueError("weights must be finite numbers")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> MergeRecipe:
        from viscodex.merge.arithmetic import METHODS

        method = METHODS[self.method]
        for option in ("density", "gamma", "epsilon", "scale", "steps"):
            if getattr(self, option) is not None and option not in method.options:
                raise ValueError(f"{option} is not used by {self.method}")
        if not method.uses_weights and (self.lam is not None or self.weights is not None):
            raise ValueError(f"{self.method} finds its own coefficients; leave out lambda and weights")
        if self.weights is not None and self.code:
            wanted = len(self.code) + (self.lam is None)
            if len(self.weights) != wanted:
                owners = "the code models" if self.lam is not None else "the VLM and the code models"
                more = "; to weigh the VLM, too, take λ out: --set lambda=" if self.lam is not None else ""
                raise ValueError(f"weights has {len(self.weights)} entries for {owners} ({wanted}){more}")
        spread = self.options.get("epsilon", 0.0) / 2
        if spread and not spread <= self.options["density"] <= 1 - spread:
            raise ValueError("density ± epsilon/2 must lie within 0 and 1, since it is a probability")
        return self

    def with_lambda(self, lam: float) -> MergeRecipe:
        """The same recipe with another λ, checked again."""
        return MergeRecipe.parse(self.model_dump(by_alias=True) | {"lambda": lam}, where=self.name)

    @property
    def options(self) -> dict[str, float]:
        """The method's own settings, with its defaults filled in."""
        from viscodex.merge.arithmetic import METHODS

        defaults = METHODS[self.method].options
        return {k: default if getattr(self, k) is None else getattr(self, k) for k, default in defaults.items()}


def _numbers(weight: Any) -> list[float]:
    if weight is None:
        return []
    if isinstance(weight, dict):
        return [n for value in weight.values() for n in _numbers(value)]
    if isinstance(weight, list):
        return [n for value in weight for n in _numbers(value)]
    return [float(weight)]
