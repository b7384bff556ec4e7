"""How alike two pictures are, and where they are not: structural similarity, weighted by what there is to see."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import PIL.Image
import PIL.ImageDraw
from numpy.typing import NDArray

WIDTH = 512
"""Pictures are compared at this width: text a pixel off is still the same text."""
TALLEST = 4096
WINDOW = 8
"""Pixels of a window's side."""
STEP = 4
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
"""Of the SSIM paper: they keep flat windows from dividing by nothing."""
MISSING = float(np.log(2.0))
"""The weight of a window that only one picture has: that of a flat one."""
DIFFERENT = 0.6
"""Windows less alike than this are shown as different."""
CELL = 32
"""Pixels of the cells in which differences are gathered, at the compared size."""
MOST_REGIONS = 8
RED = (214, 40, 40)

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Likeness:
    """`value` from 0 to 1; `regions` that differ most, as fractions (left, top, right, bottom) of the first picture."""

    value: float
    regions: tuple[tuple[float, float, float, float], ...] = ()


def compare(first: PIL.Image.Image, second: PIL.Image.Image) -> Likeness:
    """Mean SSIM (Wang et al. 2004) over windows and colours, weighted by information (Wang & Li 2011, one scale).

    SSIM = (2μₓμᵧ + C₁)(2σₓᵧ + C₂) / ((μₓ² + μᵧ² + C₁)(σₓ² + σᵧ² + C₂)), w = ln(1 + (1 + σₓ²/C₂)(1 + σᵧ²/C₂)): the
    weight keeps a page from being like a blank one for its margins. Both pictures are made equally wide; what the
    longer one has below the other is like nothing. Symmetric; 1 for a picture and itself.
    """
    a, b = _scaled(first, second)
    rows = min(len(a), len(b))
    alike, weight = _windows(a[:rows], b[:rows])
    missing = MISSING * (abs(len(a) - len(b)) // STEP) * alike.shape[1]
    value = float((alike * weight).sum() / (weight.sum() + missing))
    return Likeness(min(1.0, max(0.0, value)), _regions(alike, len(a), a.shape[1]))


def compare_png(first: bytes, second: bytes) -> Likeness:
    """The same from encoded pictures."""
    return compare(_open(first), _open(second))


def overlay(picture: PIL.Image.Image, likeness: Likeness) -> bytes:
    """The first picture of a comparison with boxes around what differs, as PNG."""
    drawn = picture.convert("RGB")
    canvas = PIL.ImageDraw.Draw(drawn)
    for left, top, right, bottom in likeness.regions:
        box = (left * drawn.width, top * drawn.height, right * drawn.width - 1, bottom * drawn.height - 1)
        line = max(2, drawn.width // 320)
        canvas.rectangle(box, outline="white", width=2 * line)  # to be seen on red, too
        canvas.rectangle(box, outline=RED, width=line)
    file = io.BytesIO()
    drawn.save(file, "PNG")
    return file.getvalue()


def _open(data: bytes) -> PIL.Image.Image:
    from viscodex.core.sample import Image

    return Image(data=data).load()


def _scaled(first: PIL.Image.Image, second: PIL.Image.Image) -> tuple[Pixels, Pixels]:
    """(rows, WIDTH, 3) each; both smaller when one is very long."""
    tallest = max(picture.height * WIDTH / picture.width for picture in (first, second))
    width = max(WINDOW, round(WIDTH * min(1.0, TALLEST / tallest)))
    return _at(first, width), _at(second, width)


def _at(picture: PIL.Image.Image, width: int) -> Pixels:
    height = max(WINDOW, round(picture.height * width / picture.width))
    return np.asarray(picture.convert("RGB").resize((width, height), PIL.Image.Resampling.BOX), dtype=np.float32)


def _windows(a: Pixels, b: Pixels) -> tuple[Pixels, Pixels]:
    """SSIM and weight of each window: (rows, columns), the mean over colours."""
    mean_a, mean_b = _means(a), _means(b)
    var_a = np.maximum(_means(a * a) - mean_a**2, 0)
    var_b = np.maximum(_means(b * b) - mean_b**2, 0)
    both = _means(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    alike = light * (2 * both + C2) / (var_a + var_b + C2)
    weight = np.log1p((var_a / C2 + 1) * (var_b / C2 + 1))
    return alike.mean(-1), weight.mean(-1)


def _means(values: Pixels) -> Pixels:
    """Means over WINDOW × WINDOW pixels, every STEP pixels, by sums over areas."""
    sums = np.pad(values, ((1, 0), (1, 0), (0, 0))).astype(np.float64).cumsum(0).cumsum(1)
    inner = sums[WINDOW:, WINDOW:] - sums[:-WINDOW, WINDOW:] - sums[WINDOW:, :-WINDOW] + sums[:-WINDOW, :-WINDOW]
    return np.asarray(inner[::STEP, ::STEP] / WINDOW**2, dtype=np.float32)


def _regions(alike: Pixels, height: int, width: int) -> tuple[tuple[float, float, float, float], ...]:
    """Boxes around neighbouring cells that hold different windows, the largest first."""
    side = CELL // STEP
    rows, columns = -(-alike.shape[0] // side), -(-alike.shape[1] // side)
    padded = np.pad(
        alike, ((0, rows * side - alike.shape[0]), (0, columns * side - alike.shape[1])), constant_values=1.0
    )
    cells = padded.reshape(rows, side, columns, side).min((1, 3)) < DIFFERENT
    boxes = sorted(_boxes(cells), key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), reverse=True)
    scale = (CELL / width, CELL / height)
    return tuple(
        (left * scale[0], top * scale[1], min(1.0, right * scale[0]), min(1.0, bottom * scale[1]))
        for left, top, right, bottom in boxes[:MOST_REGIONS]
    )


def _boxes(cells: NDArray[np.bool_]) -> list[tuple[int, int, int, int]]:
    """(left, top, right, bottom) of each group of cells that touch, in cells."""
    left_over = {(int(row), int(column)) for row, column in np.argwhere(cells)}
    found = []
    while left_over:
        group, border = set(), [left_over.pop()]
        while border:
            row, column = border.pop()
            group.add((row, column))
            near = {(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)} & left_over
            left_over -= near
            border.extend(near)
        rows, columns = zip(*group, strict=True)
        found.append((min(columns), min(rows), max(columns) + 1, max(rows) + 1))
    return found
