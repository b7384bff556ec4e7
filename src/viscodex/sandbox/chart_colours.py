"""Which artists a traced call has made, and how the colour of each is read. Runs inside the chart environment.

A colour is `#RRGGBB`, or the name of a colormap. The rules are the benchmark's own, unevenness included: every face
colour of one kind of plot, only the first of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch

Reader = Callable[[Any], list[str]]


def _hex(colour: Any) -> str:
    return str(to_hex(colour)).upper()


def own(artist: Any) -> list[str]:
    """Of a line or a text."""
    return [_hex(artist.get_color())]


def face(artist: Any) -> list[str]:
    return [_hex(artist.get_facecolor())]


def first_face(artist: Any) -> list[str]:
    return [_hex(artist.get_facecolor()[0])]


def every_face(artist: Any) -> list[str]:
    return [_hex(colour) for colour in artist.get_facecolor()]


def every_edge(artist: Any) -> list[str]:
    return [_hex(colour) for colour in artist.get_edgecolor()]


def asked_face(artist: Any) -> list[str]:
    """The face colour as it was asked for, before transparency and `fill=False` were applied."""
    asked = getattr(artist, "_original_facecolor", None)
    return face(artist) if asked is None else [_hex(asked)]


def edge_or_arrow(artist: Any) -> list[str]:
    """Edges of a graph are one collection of lines, or an arrow each."""
    return every_edge(artist) if isinstance(artist, LineCollection) else face(artist)


def colormap(artist: Any) -> list[str]:
    return [str(artist.cmap.name)]


@dataclass(frozen=True)
class Rule:
    """How to find a call's artists from its result and its arguments, and how to read them."""

    artists: Callable[[Any, tuple[Any, ...]], Iterable[Any]]
    read: Reader
    may_be_mapped: bool = False
    """Whether a `cmap` given by keyword stands for the colours."""

    def reader(self, kwargs: dict[str, Any]) -> Reader:
        return colormap if self.may_be_mapped and kwargs.get("cmap") is not None else self.read


def _itself(result: Any, args: tuple[Any, ...]) -> Iterable[Any]:
    return (result,)


def _each(result: Any, args: tuple[Any, ...]) -> Iterable[Any]:
    return tuple(result)


def _first_part(result: Any, args: tuple[Any, ...]) -> Iterable[Any]:
    """Of `(line, keywords)`."""
    return (result[0],)


def _each_of_first_part(result: Any, args: tuple[Any, ...]) -> Iterable[Any]:
    """Of `(wedges, texts, …)`."""
    return tuple(result[0])


def _hist_patches(result: Any, args: tuple[Any, ...]) -> Iterable[Any]:
    """Of `(counts, edges, patches)`, where several data sets have a list of patches each."""
    for item in result[2]:
        yield from item if hasattr(item, "__iter__") else (item,)


def _filled_boxes(result: Any, args: tuple[Any, ...]) -> Iterable[Any]:
    return tuple(box for box in result["boxes"] if isinstance(box, PathPatch))


def _bodies(result: Any, args: tuple[Any, ...]) -> Iterable[Any]:
    return tuple(result["bodies"])


def _axes_patches(result: Any, args: tuple[Any, ...]) -> Iterable[Any]:
    return tuple(result.patches)


def _edges(result: Any, args: tuple[Any, ...]) -> Iterable[Any]:
    return tuple(result) if isinstance(result, list) else (result,)


def _values(result: Any, args: tuple[Any, ...]) -> Iterable[Any]:
    return tuple(result.values())


def _constructed(result: Any, args: tuple[Any, ...]) -> Iterable[Any]:
    return (args[0],)


def _argument(result: Any, args: tuple[Any, ...]) -> Iterable[Any]:
    """Of `axes.add_collection3d(collection)`."""
    return (args[1],)


def _venn_patches(result: Any, args: tuple[Any, ...]) -> Iterable[Any]:
    return tuple(patch for patch in args[0].patches if patch is not None)


_MAPPED = Rule(_itself, colormap)

RULES: dict[str, Rule] = {
    "_makeline": Rule(_first_part, own),
    "bar": Rule(_each, asked_face),
    "scatter": Rule(_itself, first_face, may_be_mapped=True),
    "axhline": Rule(_itself, own),
    "axvline": Rule(_itself, own),
    "_fill_between_x_or_y": Rule(_itself, first_face),
    "pie": Rule(_each_of_first_part, face),
    "axvspan": Rule(_itself, face),
    "axhspan": Rule(_itself, face),
    "hlines": Rule(_itself, every_edge),
    "vlines": Rule(_itself, every_edge),
    "boxplot": Rule(_filled_boxes, face),
    "violinplot": Rule(_bodies, first_face),
    "hist": Rule(_hist_patches, face),
    "quiver": Rule(_itself, every_face),
    "imshow": _MAPPED,
    "pcolor": _MAPPED,
    "contour": _MAPPED,
    "contourf": _MAPPED,
    "tripcolor": _MAPPED,
    "fill": Rule(_each, face),
    "broken_barh": Rule(_itself, every_face),
    "plot_polar": Rule(_each, own),
    "scatter_3d": Rule(_itself, every_face),
    "plot_3d": Rule(_each, own),
    "plot_surface_3d": Rule(_itself, first_face, may_be_mapped=True),
    "bar3d_3d": Rule(_itself, first_face),
    "bar_3d": Rule(_each, asked_face),
    "add_collection3d_3d": Rule(_argument, every_face),
    "plot_squarify": Rule(_axes_patches, face),
    "NonUniformImage": Rule(_constructed, colormap),
    "Ellipse": Rule(_constructed, face),
    "Circle": Rule(_constructed, face),
    "VennDiagram": Rule(_venn_patches, face),
    "draw_networkx_nodes": Rule(_itself, every_face),
    "draw_networkx_edges": Rule(_edges, edge_or_arrow),
    "draw_networkx_labels": Rule(_values, own),
}
"""By name of the function, with `_polar`, `_3d` or `_squarify` where another has the same."""
