"""Where a figure's texts lie, and what its axes hold. Runs inside the chart environment, when it is asked for.

The figure is drawn once more, and every text that draws itself is measured while it does: texts in three dimensions
have their place for that moment only; ticks outside the view, empty labels and hidden artists never draw. Boxes are
told unrotated, about their centre, so that slanted labels do not seem to overlap.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from matplotlib.text import Text

MOST_TEXTS = 5000


def collect(figure: Any) -> dict[str, Any]:
    """Texts, axes and complaints of one drawing, as JSON; pixels of the figure's dpi, from its upper left corner."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        renderer = figure._get_renderer()
        drawn = _drawn_texts(figure, renderer)
    width, height = figure.bbox.width, figure.bbox.height
    roles = dict(_roles(figure))
    texts = [box | dict(zip(("role", "axes"), roles.get(id(text), ("other", -1)), strict=True)) for text, box in drawn]
    return {
        "width": width,
        "height": height,
        "dpi": float(figure.dpi),
        "texts": texts,
        "axes": [_axes(axes, height, renderer) for axes in figure.get_axes() if axes.get_visible()],
        "missing_glyphs": list(dict.fromkeys(str(w.message)[:200] for w in caught if "missing from" in str(w.message))),
    }


def _drawn_texts(figure: Any, renderer: Any) -> list[tuple[Any, dict[str, Any]]]:
    """Every text that the figure draws, and its box, in order."""
    found: dict[int, tuple[Any, dict[str, Any]]] = {}
    draw, height = Text.draw, figure.bbox.height

    def drawing(self: Any, *args: Any, **kwargs: Any) -> Any:
        drawn = draw(self, *args, **kwargs)
        box = _box(self, height, renderer) if len(found) < MOST_TEXTS else None
        if box is not None:
            found[id(self)] = (self, box)
        return drawn

    setattr(Text, "draw", drawing)  # noqa: B010  # a method, to mypy not to be assigned
    try:
        figure.draw(renderer)
    finally:
        setattr(Text, "draw", draw)  # noqa: B010
    return list(found.values())


def _roles(figure: Any) -> Iterator[tuple[int, tuple[str, int]]]:
    """Identity of a text → what it is for, and the place of its axes in the figure's list."""
    for legend in figure.legends:
        yield from _legend_roles(legend, -1)
    if figure._suptitle is not None:
        yield id(figure._suptitle), ("title", -1)
    for place, axes in enumerate(axes for axes in figure.get_axes() if axes.get_visible()):
        for title in (axes.title, axes._left_title, axes._right_title):
            yield id(title), ("title", place)
        for name, axis in axes._axis_map.items():
            yield id(axis.label), ("label", place)
            for tick in (*axis.majorTicks, *axis.minorTicks):
                yield id(tick.label1), (f"tick {name}", place)
                yield id(tick.label2), (f"tick {name}", place)
        if axes.get_legend() is not None:
            yield from _legend_roles(axes.get_legend(), place)


def _legend_roles(legend: Any, place: int) -> Iterator[tuple[int, tuple[str, int]]]:
    for text in (*legend.get_texts(), legend.get_title()):
        yield id(text), ("legend", place)


def _box(text: Any, height: float, renderer: Any) -> dict[str, Any] | None:
    """Its box; None for what nobody sees."""
    words = text.get_text()
    if not words.strip() or not text.get_visible() or text.get_alpha() == 0:
        return None
    bounds = Text.get_window_extent(text, renderer)  # not an annotation's own, which includes its arrow
    middle = (bounds.x0 + bounds.width / 2, bounds.y0 + bounds.height / 2)
    clip = text.get_clip_box() if text.get_clip_on() else None
    if clip is not None and not clip.contains(*middle):
        return None
    angle = float(text.get_rotation())
    if angle % 90:
        text.set_rotation(0)
        bounds = Text.get_window_extent(text, renderer)
        text.set_rotation(angle)
    return {
        "text": str(words)[:200],
        "x": float(middle[0]),
        "y": float(height - middle[1]),
        "width": float(bounds.width),
        "height": float(bounds.height),
        "angle": angle if angle % 90 else 0.0,
        "size": float(text.get_fontsize() * text.figure.dpi / 72),
    }


def _axes(axes: Any, height: float, renderer: Any) -> dict[str, Any]:
    bounds = axes.get_window_extent(renderer)
    box = [float(bounds.x0), float(height - bounds.y1), float(bounds.x1), float(height - bounds.y0)]
    return {"box": box, "is_empty": _is_empty(axes)}


def _is_empty(axes: Any) -> bool:
    """Whether they are a frame around nothing: no data, no words, no table, no legend, no axes inside."""
    if not axes.axison or axes.get_legend() is not None:
        return False
    if any(layer.has_data() for layer in (axes, *getattr(axes, "parasites", ()))):
        return False
    return not any((axes.texts, axes.tables, axes.artists, axes.child_axes))
