"""Pages of heat maps, layers across and modules down; self-contained HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from viscodex.merge.statistics import Distances

_EXPLANATION = {
    "‖τ": "How much tuning changed this module, relative to its size.",
    "‖θ_code": "How far the code model lies from the VLM here, relative to the VLM's size.",
    "‖θ_merged": "How far the merge moved the VLM here, relative to its size.",
    "cosine of τ": "Direction of the two changes: 1 the same, 0 unrelated, −1 opposed (they cancel in a merge).",
    "cosine of θ": "Direction of the two models: 1 is the same.",
    "sign": "Share of elements that the two change in opposite directions; 0.5 is chance.",
    "overlap": "Share of the largest changes that lie at the same elements in both models.",
}


@dataclass(frozen=True)
class Cell:
    """One module of one layer: its value as text, and the colour it is painted in."""

    text: str
    colour: str
    ink: str
    title: str


@dataclass(frozen=True)
class HeatMap:
    """One measure over all layers and modules."""

    measure: str
    explanation: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell | None]]]
    low: str
    high: str
    scale: Sequence[str]


def heat_maps(places: Mapping[tuple[int | None, str], Distances]) -> list[HeatMap]:
    """A heat map per measure. Modules outside the layers (embedding, lm_head) are rows of a single column, "–"."""
    values = {place: distances.measures() for place, distances in places.items()}
    measures = list(dict.fromkeys(name for row in values.values() for name in row))
    return [_heat_map(name, {place: row.get(name) for place, row in values.items()}) for name in measures]


def render(title: str, facts: Mapping[str, str], maps: Sequence[HeatMap], notes: Sequence[str] = ()) -> str:
    """The page as HTML text."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("viscodex.merge", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("heatmap.html").render(title=title, facts=facts, maps=maps, notes=notes)


def _heat_map(measure: str, values: Mapping[tuple[int | None, str], float | None]) -> HeatMap:
    present = [v for v in values.values() if v is not None]
    signed = measure.startswith("cosine of τ")
    high = max((abs(v) for v in present), default=0.0) if signed else max(present, default=0.0)
    low = -high if signed else min(present, default=0.0)
    layers = sorted({layer for layer, _ in values if layer is not None})
    columns = [*layers, *([None] if any(layer is None for layer, _ in values) else [])]
    modules = list(dict.fromkeys(module for _, module in sorted(values, key=_row_order)))
    rows = [(module, [_cell(values, layer, module, low, high, signed) for layer in columns]) for module in modules]
    names = ["–" if layer is None else str(layer) for layer in columns]
    scale = [_colour(step / 20, signed)[0] for step in range(21)]
    return HeatMap(measure, _explain(measure), names, rows, f"{low:.3g}", f"{high:.3g}", scale)


def _cell(
    values: Mapping[tuple[int | None, str], float | None],
    layer: int | None,
    module: str,
    low: float,
    high: float,
    signed: bool,
) -> Cell | None:
    if (layer, module) not in values:
        return None
    value = values[layer, module]
    if value is None:
        return Cell("", "#ffffff", "#000000", f"{module}: nothing to compare")
    colour, ink = _colour((value - low) / (high - low) if high > low else 0.5, signed)
    where = module if layer is None else f"layer {layer}, {module}"
    return Cell(f"{value:.2f}".replace("0.", ".", 1), colour, ink, f"{where}: {value:.5g}")


def _row_order(place: tuple[int | None, str]) -> tuple[int, int, str]:
    order = ("embedding", "q", "k", "v", "o", "gate", "up", "down")
    layer, module = place
    if module in order:
        return 0, order.index(module), module
    return (2 if layer is None else 1), 0, module


def _colour(share: float, signed: bool) -> tuple[str, str]:
    """Background and ink. One hue from light to dark; with a sign, orange below and blue above white."""
    share = min(max(share, 0.0), 1.0)
    if not signed:
        rgb = _mix((247, 251, 255), (8, 64, 129), share)
    elif share >= 0.5:
        rgb = _mix((255, 255, 255), (8, 64, 129), 2 * share - 1)
    else:
        rgb = _mix((255, 255, 255), (166, 54, 3), 1 - 2 * share)
    dark = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] < 140
    return "#{:02x}{:02x}{:02x}".format(*rgb), "#ffffff" if dark else "#1a1a1a"


def _mix(a: tuple[int, int, int], b: tuple[int, int, int], share: float) -> tuple[int, ...]:
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True))


def _explain(measure: str) -> str:
    best = max((start for start in _EXPLANATION if measure.startswith(start)), key=len, default="")
    return _EXPLANATION.get(best, "")


def as_facts(values: Mapping[str, Any]) -> dict[str, str]:
    """Numbers and paths as they are shown above the maps."""
    return {k: f"{v:.4f}" if isinstance(v, float) else "–" if v is None else str(v) for k, v in values.items()}
