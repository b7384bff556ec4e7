"""Whether a chart can be read, by rules on where its texts lie; before any model is asked.

overlapping_text   two texts on top of each other
clipped_text       a text that stands out of the picture
empty_axes         a frame around nothing
unreadable_ticks   tick labels that run into each other, or are too small
missing_glyphs     letters that the font does not have
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from viscodex.core.errors import visible
from viscodex.runner.stage import Reject
from viscodex.sandbox.chart_legibility import AxesBox, Boxes, TextBox

Point = tuple[float, float]
Polygon = list[Point]

TEXT_OVERLAP = 0.05
"""Share of the smaller text that may lie under another. Of 161 real charts 0.2 missed one, whose titles run into each
other; 0.02 rejected none that could be read."""
TICK_OVERLAP = 0.1
TICKS_IN_EACH_OTHER = 2
"""Pairs of neighbours on one axis; a single pair, where two axes meet, is in many a good chart."""
OUTSIDE = 3.0
"""Pixels at 100 dpi that a text's box may stand out of the picture."""
SMALLEST_TICK = 5.0
"""Points at 100 dpi per inch of picture; smaller letters are strokes."""
LETTERS = 0.72
"""Height of the letters themselves in that of their line."""


def problem(boxes: Boxes) -> Reject | None:
    """The first reason why the chart cannot be read."""
    if boxes.missing_glyphs:
        return Reject("missing_glyphs", visible(boxes.missing_glyphs[0], 200))
    if empty := sum(is_bare(axes, boxes.axes) for axes in boxes.axes):
        return Reject("empty_axes", f"{empty} of {len(boxes.axes)}")
    if clipped := [text for text in boxes.texts if stands_out(text, boxes)]:
        return Reject("clipped_text", f"{len(clipped)}: {visible(clipped[0].text, 80)}")
    pairs = list(overlaps(boxes))
    ticks = [pair for pair in pairs if are_ticks_of_one_axis(*pair)]
    if len(ticks) >= TICKS_IN_EACH_OTHER:
        return Reject("unreadable_ticks", f"{len(ticks)} pairs: {_both(ticks[0])}")
    if small := [text for text in boxes.texts if text.role.startswith("tick") and text.size < SMALLEST_TICK]:
        return Reject("unreadable_ticks", f"letters of {small[0].size:.1f} pixels")
    if others := [pair for pair in pairs if not are_ticks_of_one_axis(*pair)]:
        return Reject("overlapping_text", f"{len(others)} pairs: {_both(others[0])}")
    return None


def is_bare(axes: AxesBox, others: tuple[AxesBox, ...]) -> bool:
    """Empty, and not the twin of axes that are not."""
    return axes.is_empty and not any(
        not other.is_empty and max(abs(a - b) for a, b in zip(axes.box, other.box, strict=True)) < 1 for other in others
    )


def stands_out(text: TextBox, boxes: Boxes) -> bool:
    slack = OUTSIDE * boxes.dpi / 100
    return any(
        not (-slack <= x <= boxes.width + slack and -slack <= y <= boxes.height + slack) for x, y in corners(text)
    )


def overlaps(boxes: Boxes) -> Iterator[tuple[TextBox, TextBox]]:
    """Pairs of texts that lie on each other."""
    ordered = sorted((_bounds(text), place) for place, text in enumerate(boxes.texts))
    for index, (bounds, place) in enumerate(ordered):
        for other_bounds, other_place in ordered[index + 1 :]:
            if other_bounds[0] > bounds[2]:
                break
            if other_bounds[1] > bounds[3] or other_bounds[3] < bounds[1]:
                continue
            one, other = boxes.texts[place], boxes.texts[other_place]
            most = TICK_OVERLAP if are_ticks_of_one_axis(one, other) else TEXT_OVERLAP
            if not _is_the_same(one, other) and shared(one, other) > most:
                yield one, other


def are_ticks_of_one_axis(one: TextBox, other: TextBox) -> bool:
    return one.role == other.role and one.axes == other.axes and one.role.startswith("tick")


def _is_the_same(one: TextBox, other: TextBox) -> bool:
    """The same words on the same spot, as twin axes draw them, or a shadow."""
    return one.text == other.text and abs(one.x - other.x) < 4 and abs(one.y - other.y) < 4


def shared(one: TextBox, other: TextBox) -> float:
    """The common area of two texts as a share of the smaller one's."""
    first, second = corners(one), corners(other)
    smaller = min(_area(first), _area(second))
    return _area(_clipped(first, second)) / smaller if smaller > 0 else 0.0


def corners(text: TextBox) -> Polygon:
    """The rectangle around the letters, counter-clockwise as mathematics has it, in the picture's coordinates."""
    angle = math.radians(-text.angle)  # y grows downwards
    lines = text.text.count("\n") + 1
    half_width, half_height = text.width / 2, text.height / 2 * (LETTERS if lines == 1 else 0.9)
    cos, sin = math.cos(angle), math.sin(angle)
    ends = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return [
        (text.x + a * half_width * cos - b * half_height * sin, text.y + a * half_width * sin + b * half_height * cos)
        for a, b in ends
    ]


def _bounds(text: TextBox) -> tuple[float, float, float, float]:
    xs, ys = zip(*corners(text), strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _area(polygon: Polygon) -> float:
    pairs = zip(polygon, polygon[1:] + polygon[:1], strict=True)
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairs)) / 2


def _clipped(subject: Polygon, window: Polygon) -> Polygon:
    """The part of one convex polygon inside another (Sutherland and Hodgman)."""
    for start, end in zip(window, window[1:] + window[:1], strict=True):
        side = [(end[0] - start[0]) * (y - start[1]) - (end[1] - start[1]) * (x - start[0]) for x, y in subject]
        inside: Polygon = []
        for index, point in enumerate(subject):
            before, here = side[index - 1], side[index]
            if (before < 0) != (here < 0):
                share = before / (before - here)
                last = subject[index - 1]
                inside.append((last[0] + share * (point[0] - last[0]), last[1] + share * (point[1] - last[1])))
            if here >= 0:
                inside.append(point)
        subject = inside
        if not subject:
            break
    return subject


def _both(pair: tuple[TextBox, TextBox]) -> str:
    return visible(f"{pair[0].text} / {pair[1].text}", 120)
