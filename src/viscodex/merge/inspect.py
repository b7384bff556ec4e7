"""`viscodex merge inspect`: where two models differ from their base, and where they pull against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from viscodex.core import console
from viscodex.merge.device import Cpu
from viscodex.merge.page import HeatMap, heat_maps
from viscodex.merge.plan import MergePlan, Step, module_of, plan_merge, require_sound, sources
from viscodex.merge.quantiles import histograms_of, magnitude_limits
from viscodex.merge.recipe import MODULES, MergeRecipe
from viscodex.merge.statistics import Distances, by_place, measure_block, place_of, total
from viscodex.merge.tensors import Inputs, Operands, TensorStream

TOP_SHARE = 0.01


@dataclass(frozen=True)
class Inspection:
    """Sums per backbone tensor of two models and their base, if there is one."""

    plan: MergePlan
    tensors: Mapping[str, Distances]
    top_share: float

    @property
    def all(self) -> Distances:
        return total(self.tensors.values())

    def as_json(self) -> dict[str, Any]:
        """Plain values: models, every tensor, sums per layer and module kind, and over all."""
        models = {role: str(model.path) for role, model in zip(self.plan.roles, self.plan.models, strict=True)}
        return {
            "models": models,
            "top_share": self.top_share,
            "all": self.all.measures(),
            "layers": [
                {"layer": layer, "module": kind} | d.measures()
                for (layer, kind), d in group_by_layer(self.tensors).items()
            ],
            "tensors": {key: {"elements": d.elements} | d.measures() for key, d in self.tensors.items()},
        }

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows for a terminal: one row per layer and module kind, the sum over all at the end."""
        header = ["layer", "module", *self.all.measures()]
        grouped = group_by_layer(self.tensors).items()
        rows = [["–" if layer is None else str(layer), kind, *_cells(d)] for (layer, kind), d in grouped]
        return header, [*rows, ["all", "", *_cells(self.all)]]

    def maps(self) -> list[HeatMap]:
        return heat_maps(by_place(self.tensors))


def inspect(a: str, b: str, base: str = "", *, top_share: float = TOP_SHARE, threads: int = 2) -> Inspection:
    """Compare the backbones of two checkpoints, streamed: memory as for a merge.

    With `base`, the task vectors are compared; without, the models themselves. Raises VisCodexError when the models
    cannot be compared tensor by tensor.
    """
    settings = {"vlm": a, "code": [b], "base": base, "method": "model_stock" if base else "linear"}
    recipe = MergeRecipe.parse(settings if base else settings | {"lambda": 0.5}, where="inspect")
    plan = plan_merge(recipe, None)
    require_sound(plan)
    steps = [step for step in plan.steps if step.action == "merge"]
    inputs = Inputs(plan.models)
    size = sum(source.info.nbytes for step in steps for source in sources(step))
    try:
        with console.progress("inspecting", size, "B") as progress, ThreadPoolExecutor(threads) as pool:
            work = partial(_measure, plan=plan, inputs=inputs, top_share=top_share, progress=progress)
            found = dict(zip((step.key for step in steps), pool.map(work, steps), strict=True))
    finally:
        inputs.close()
    return Inspection(plan, found, top_share)


def group_by_layer(tensors: Mapping[str, Distances]) -> dict[tuple[int | None, str], Distances]:
    """Sums per (layer, module kind), embedding first, head last."""
    groups: dict[tuple[int | None, str], list[Distances]] = {}
    for key, distances in tensors.items():
        groups.setdefault((place_of(key)[0], module_of(key)), []).append(distances)
    return {place: total(groups[place]) for place in sorted(groups, key=_order)}


def _measure(step: Step, plan: MergePlan, inputs: Inputs, top_share: float, progress: console.Progress) -> Distances:
    stream = TensorStream(Operands(inputs, step, Cpu(), 0))
    models = histograms_of(lambda: (block.tuned for block in stream()))
    limits = magnitude_limits(stream.task_histograms if step.base is not None else models, [top_share])
    measured = total(measure_block(block, plan.roles, [limit for (limit,) in limits]) for block in stream())
    progress.advance(sum(source.info.nbytes for source in sources(step)))
    return measured


def _order(place: tuple[int | None, str]) -> tuple[int, int]:
    layer, kind = place
    rank = [str(m) for m in MODULES].index(kind)
    if layer is None:
        return (-1 if kind == "embeddings" else 10**9), rank
    return layer, rank


def _cells(distances: Distances) -> Sequence[str]:
    return [_cell(value) for value in distances.measures().values()]


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
