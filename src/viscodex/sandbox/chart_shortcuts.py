"""What costs a chart time and makes no difference to it, left out. Runs inside the chart environment.

Each shortcut has the results of what it stands for; tests/sandbox/charts/test_chart_shortcuts.py compares them.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from matplotlib import artist, collections, image, lines, markers, patches
from matplotlib import path as paths

Marker: Any = markers.MarkerStyle
MarkerPath: Any = paths.Path
allow_rasterization: Any = artist.allow_rasterization
SHAPES: tuple[Any, ...] = (lines.Line2D, patches.Patch, collections.Collection, image._ImageBase)
LARGE_PAGE = 1 << 21
MADV_COLLAPSE = 25


def copy_markers_quickly() -> None:
    """Every tick has the markers of the first one; copying each of their parts deeply is a twentieth of a chart."""
    original = Marker._set_marker

    @functools.wraps(original)
    def set_marker(self: Any, marker: Any) -> None:
        if not copy_marker(marker, self):
            original(self, marker)

    Marker._set_marker = set_marker


def copy_marker(marker: Any, target: Any) -> bool:
    """Give `target` the parts of a marker that matplotlib knows by its name; False for any other.

    Paths can be written to, so they are copied. Its own transforms are handed out as copies only, and what the
    script has transformed is left to matplotlib.
    """
    if type(marker) is not Marker or marker._user_transform is not None:
        return False
    if not (isinstance(marker._marker, (str, int)) and marker._marker in Marker.markers):
        return False
    target.__dict__ = marker.__dict__ | {
        "_path": _copied(marker._path),
        "_alt_path": _copied(marker._alt_path),
    }
    return True


def _copied(path: Any) -> Any:
    """As `copy.deepcopy` does it: one that can be written to, whether or not the first could be."""
    if path is None:
        return None
    new = MarkerPath.__new__(MarkerPath)
    new.__dict__.update(path.__dict__)
    new._vertices = path._vertices.copy("K")
    new._codes = None if path._codes is None else path._codes.copy("K")
    new._readonly = False
    return new


@contextlib.contextmanager
def without_shapes() -> Iterator[None]:
    """Lines, patches, collections and images draw nothing: none of them draws text."""
    before: list[Callable[..., Any]] = [shape.draw for shape in SHAPES]
    for shape in SHAPES:
        shape.draw = allow_rasterization(_draw_nothing)
    try:
        yield
    finally:
        for shape, draw in zip(SHAPES, before, strict=True):
            shape.draw = draw


def _draw_nothing(self: Any, renderer: Any, *args: Any, **kwargs: Any) -> None:
    """In place of a shape."""


def use_large_pages() -> None:
    """Have the kernel put our memory into large pages where it can: a fork copies one entry for 512 of the small."""
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int)
    for start, end in _heap():
        for page in range(-(-start // LARGE_PAGE) * LARGE_PAGE, end - LARGE_PAGE + 1, LARGE_PAGE):
            advise(page, LARGE_PAGE, MADV_COLLAPSE)  # an older kernel does not know this, a full one has none


def _heap() -> list[list[int]]:
    """Start and end of what can be written to and belongs to no file; neighbours together."""
    found: list[list[int]] = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, _, _, inode, *name = line.split(maxsplit=5)
        start, end = (int(edge, 16) for edge in span.split("-"))
        if rights == "rw-p" and inode == "0" and name in ([], ["[heap]"]):
            if found and found[-1][1] == start:
                found[-1][1] = end
            else:
                found.append([start, end])
    return found
