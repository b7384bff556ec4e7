"""What a search may vary: λ as one number, by depth, by module kind, and how the code models share what is left.

A point of a space is a mapping of names to numbers; `recipe` turns it into a merge recipe that says the same.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from viscodex.core.errors import UsageError
from viscodex.merge.plan import MergePlan, module_of
from viscodex.merge.recipe import MODULES, MergeRecipe, Module

Point = dict[str, float]
Depth = Literal["", "bands", "anchors"]

PATTERNS: dict[Module, str] = {
    "norms": "*norm*",  # first: norms stand in attention, too
    "embeddings": "embed_tokens.*",
    "head": "lm_head.*",
    "attention": "*.self_attn.*",
    "mlp": "*.mlp.*",
}
DIGITS = 4  # of a λ that a search tries: a recipe that people read


@dataclass(frozen=True)
class Space:
    """Axes between `low` and `high`, and `step` apart where a grid or a coarse search wants it (0: anything).

    `depth` "bands": λ is constant over each of `count` equal parts of the layers; "anchors": straight lines between
    `count` values. `modules`: one λ for each of these kinds. `experts`: how many code models share 1 − λ.
    """

    low: float = 0.0
    high: float = 1.0
    step: float = 0.0
    depth: Depth = ""
    count: int = 1
    modules: tuple[Module, ...] = ()
    experts: int = 1
    layers: int = 0

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the numbers of a point."""
        places = [f"{self.depth[:-1]}{number}" for number in range(self.count)] if self.depth else [""]
        pairs = [(kind, place) for kind in self.modules or ("",) for place in (places if _has_depth(kind) else [""])]
        names = [" ".join(filter(None, pair)) or "lambda" for pair in pairs]
        shares = [f"expert{number}" for number in range(self.experts)] if self.experts > 1 else []
        return (*names, *shares)

    def bounds(self, axis: str) -> tuple[float, float]:
        """The lowest and the highest value; an expert's share is relative to the others', and never nothing."""
        return (0.05, 1.0) if axis.startswith("expert") else (self.low, self.high)

    def even(self, lam: float) -> Point:
        """The point at which λ is the same everywhere, and all experts are worth the same."""
        return {axis: 1.0 if axis.startswith("expert") else lam for axis in self.axes}

    def grid(self, values: tuple[float, ...]) -> Iterator[Point]:
        """Every combination of values over the axes of λ; the experts share evenly."""
        lambdas = [axis for axis in self.axes if not axis.startswith("expert")]
        for chosen in itertools.product(values, repeat=len(lambdas)):
            yield self.even(1.0) | dict(zip(lambdas, chosen, strict=True))

    def recipe(self, start: MergeRecipe, point: Mapping[str, float]) -> MergeRecipe:
        """`start` with λ and weights of a point. Where experts are not searched, they share as they did in `start`."""
        shares: list[Any] | None = start.weights
        if start.weights and start.lam is None:  # the VLM's own weight is what λ takes the place of
            shares = start.weights[1:]
        if self.experts > 1:
            shares = [point[f"expert{number}"] for number in range(self.experts)]
        values = {"lambda": self._lambda(point), "weights": shares if len(start.code) > 1 else None}
        return MergeRecipe.parse(start.model_dump(by_alias=True) | values, where=start.name)

    def _lambda(self, point: Mapping[str, float]) -> Any:
        if not self.modules:
            return self._over_depth(point, "", "*")
        table: dict[str, Any] = {}
        for kind, pattern in PATTERNS.items():
            if kind not in self.modules:
                continue
            value = self._over_depth(point, kind, pattern)
            table |= value if isinstance(value, dict) else {pattern: value}
        if len(self.modules) < len(MODULES) and "embeddings" in self.modules:  # a tied head has no λ of its own
            table["*"] = table[PATTERNS["embeddings"]]
        return table

    def _over_depth(self, point: Mapping[str, float], kind: str, pattern: str) -> Any:
        """λ of a module kind: a number, anchors, or a table with a pattern per layer."""
        values = [value for axis, value in point.items() if _is_of(axis, kind)]
        if not self.depth or not _has_depth(kind):
            return values[0]
        if self.depth == "anchors":
            return values
        table = {}
        for layer in range(self.layers):
            table[f"layers.{layer}.{pattern.removeprefix('*.')}"] = values[layer * self.count // self.layers]
        if kind in ("", "norms"):  # what lies before and behind the layers goes with the first and the last
            table |= {"embed_tokens.*": values[0], "*": values[-1]} if not kind else {pattern: values[-1]}
        return table


def parse_space(text: str, plan: MergePlan, *, low: float = 0.0, high: float = 1.0, step: float = 0.0) -> Space:
    """`"scalar"`, `"bands=4"`, `"anchors=3"`, `"modules"`, `"experts"`, or several of them: `"modules,anchors=2"`."""
    depth: Depth = ""
    modules: tuple[Module, ...] = ()
    count = experts = 1
    for word in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(bands|anchors)=(\d+)", word)
        if match and not depth and 2 <= int(match[2]) <= (plan.vlm.geometry.layers or 0):
            depth, count = ("bands" if match[1] == "bands" else "anchors"), int(match[2])
        elif word == "modules":
            modules = _kinds(plan)
        elif word == "experts" and len(plan.recipe.code) > 1:
            experts = len(plan.recipe.code)
        elif word != "scalar":
            layers = plan.vlm.geometry.layers
            hint = f"scalar, modules, experts (several code models), bands=N or anchors=N with 2 ≤ N ≤ {layers}"
            raise UsageError(f'not a space to search: "{word}"', where="--space", hint=hint)
    if not 0.0 <= low < high <= 1.0:
        raise UsageError(f"λ lies between 0 and 1: {low:g} to {high:g} is no range", where="--range")
    return Space(low, high, step, depth, count, modules, experts, plan.vlm.geometry.layers or 0)


def _kinds(plan: MergePlan) -> tuple[Module, ...]:
    """The module kinds that the plan merges; a tied head goes with the embedding."""
    steps = [step for step in plan.steps if step.action == "merge" and not step.tuned[0].info.tied_to]
    there = {module_of(step.key) for step in steps}
    return tuple(kind for kind in MODULES if kind in there)


def _has_depth(kind: str) -> bool:
    return kind not in ("embeddings", "head")


def _is_of(axis: str, kind: str) -> bool:
    if axis.startswith("expert"):
        return False
    return axis == kind or axis.startswith(f"{kind} ") if kind else True
