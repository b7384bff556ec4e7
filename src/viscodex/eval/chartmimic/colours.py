"""Colours that two charts have in common: CIEDE2000 similarity, matched group by group.

A colour is `(group, value)`: the function that drew it, and `#RRGGBB` or the name of a colormap. Numbers of the
conversion are those the published evaluator computes with (sRGB to XYZ to CIELAB, both at D65, five digits), so that
results agree to 1e-6.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Colour = tuple[str, str]
Floats = NDArray[np.float64]

CROWD = 10
"""A chart with more colours than this is thinned out."""
TOO_SIMILAR = 0.7
XYZ_OF_RGB = np.array(
    [[0.412424, 0.357579, 0.180464], [0.212656, 0.715158, 0.0721856], [0.0193324, 0.119193, 0.950444]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])
CUBE_ROOT_FROM = 216 / 24389
POWER = 25.0**7


def matched(ours: Sequence[Colour], theirs: Sequence[Colour]) -> float:
    """The largest sum of similarities over pairs, each colour used once, within each group."""
    total = 0.0
    groups, others = _by_group(ours), _by_group(theirs)
    for group in groups.keys() & others.keys():
        table = similarities(groups[group], others[group])
        total += float(table[linear_sum_assignment(table, maximize=True)].sum())
    return total


def thinned(colours: Sequence[Colour]) -> tuple[Colour, ...]:
    """Of more than `CROWD` colours, each that is not too similar to one kept before it, whatever their groups."""
    if len(colours) <= CROWD:
        return tuple(colours)
    kept, left = [], np.arange(len(colours))
    while left.size:
        first, left = int(left[0]), left[1:]
        kept.append(colours[first])
        values = [colours[index][1] for index in left.tolist()]
        left = left[similarities([colours[first][1]], values)[0] <= TOO_SIMILAR]
    return tuple(kept)


def similarities(ours: Sequence[str], theirs: Sequence[str]) -> Floats:
    """A table in [0, 1]: colours by how near they are, colormaps by name, a colour and a colormap never."""
    table = np.array([[float(a == b) for b in theirs] for a in ours]).reshape(len(ours), len(theirs))
    rows, columns = _places(ours), _places(theirs)
    if rows.size and columns.size:
        labs, others = lab([ours[i] for i in rows]), lab([theirs[i] for i in columns])
        table[np.ix_(rows, columns)] = np.maximum(0.0, 1.0 - difference(labs[:, None], others[None]) / 100.0)
    return table


def lab(values: Iterable[str]) -> Floats:
    """CIELAB of `#RRGGBB`: (n, 3)."""
    rgb = np.array([[int(value[i : i + 2], 16) for i in (1, 3, 5)] for value in values]) / 255.0
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ XYZ_OF_RGB.T / WHITE
    f = np.where(xyz > CUBE_ROOT_FROM, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = f[:, 0], f[:, 1], f[:, 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def difference(one: Floats, other: Floats) -> Floats:
    """CIEDE2000 of CIELAB colours over the last axis, the others broadcast (Sharma, Wu, Dalal 2005; all weights 1)."""
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(one, -1, 0), np.moveaxis(other, -1, 0)
    mean_chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1 + 0.5 * (1 - np.sqrt(mean_chroma**7 / (mean_chroma**7 + POWER)))
    c1, c2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, stretch * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turned = np.abs(h1 - h2) > 180
    hue = (h1 + h2 + 360 * turned) / 2
    chroma, light = (c1 + c2) / 2, (l1 + l2) / 2
    step = h2 - h1 + turned * np.where(h2 > h1, -360, 360)
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(step / 2))
    t = 1 - 0.17 * _cos(hue - 30) + 0.24 * _cos(2 * hue) + 0.32 * _cos(3 * hue + 6) - 0.20 * _cos(4 * hue - 63)
    sl = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    sc, sh = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    rt = _rotation(hue, chroma)
    squares = (dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + rt * (dc / sc) * (dh / sh)
    result: Floats = np.sqrt(np.maximum(squares, 0.0))
    return result


def _rotation(hue: Floats, chroma: Floats) -> Floats:
    """How blue hues lean: R_T."""
    angle = 30 * np.exp(-(((hue - 275) / 25) ** 2))
    result: Floats = -2 * np.sqrt(chroma**7 / (chroma**7 + POWER)) * np.sin(np.radians(2 * angle))
    return result


def _cos(degrees: Floats) -> Floats:
    result: Floats = np.cos(np.radians(degrees))
    return result


def _places(values: Sequence[str]) -> NDArray[np.intp]:
    return np.array([i for i, value in enumerate(values) if value.startswith("#")], dtype=np.intp)


def _by_group(colours: Iterable[Colour]) -> Mapping[str, list[str]]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for group, value in colours:
        groups[group].append(value)
    return groups
