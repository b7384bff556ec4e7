"""Which artists a traced call has made, and how the colour of each is read. Runs inside the chart environment.

A colour is `#RRGGBB`, or the name of a colormap. The rules are the benchmark's own, unevenness included: every face
colour of one kind of plot, only the first of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch

Reader = Callable[[Any], list[str]]


def _hex(colour: Any) -> str:
    return str(to_hex(colour)).upper()


def own(artist: Any) -> list[str]:
    """Of a line or a text; `#RRGGBBAA` stays as it was written."""
    colour = artist.get_color()
    if isinstance(colour, str) and colour.startswith("#") and len(colour) == 9:
        return [colour.upper()]
    return [_hex(colour)]


def face(artist: Any) -> list[str]:
    return [_hex(artist.get_facecolor())]


def first_face(artist: Any) -> list[str]:
    return [_hex(artist.get_facecolor()[0])]


def first_face_if_any(artist: Any) -> list[str]:
    """Markers may be hollow."""
    return [_hex(colour) for colour in artist.get_facecolor()[:1]]


def every_face(artist: Any) -> list[str]:
    return [_hex(colour) for colour in artist.get_facecolor()]


def every_edge(artist: Any) -> list[str]:
    return [_hex(colour) for colour in artist.get_edgecolor()]


def asked_face(artist: Any) -> list[str]:
    """The face colour as it was asked for, before transparency and `fill=False` were applied."""
    asked = getattr(artist, "_original_facecolor", None)
    return face(artist) if asked is None else [_hex(asked)]


def edges_or_arrows(edges: Any) -> list[str]:
    """Edges of a graph are one collection of lines, or a list of arrows."""
    return [_hex(arrow.get_facecolor()) for arrow in edges] if isinstance(edges, list) else every_edge(edges)


def of_patches(diagram: Any) -> list[str]:
    return [_hex(patch.get_facecolor()) for patch in diagram.patches if patch is not None]


def colormap(artist: Any) -> list[str]:
    return [str(artist.cmap.name)]


def trips_the_original(group: str, artist: Any) -> bool:
    """Whether the published evaluator would have raised here.

    It reads the colour that a bar was asked to have as a list of numbers, and cannot where the script gave a name
    (`bar.set_color("red")`); and it expects a patch for every part of a Venn diagram.
    """
    if group == "bar":
        asked = getattr(artist, "_original_facecolor", None)
        return isinstance(asked, str) or asked is None or len(asked) not in (3, 4)
    return group == "VennDiagram" and any(patch is None for patch in artist.patches)


@dataclass(frozen=True)
class Rule:
    """How to find a call's artists from its result and its arguments, and how to read them."""

    artists: Callable[[Any, tuple[Any, ...]], Iterable[Any]]
    read: Reader
    may_be_mapped: bool = False
    """Whether a `cmap` given by keyword stands for the colours, by the name it was given."""
    must_have: bool = False
    """Whether a call that has made nothing with a colour is an error."""

    def reader(self, kwargs: dict[str, Any]) -> Reader:
        asked = kwargs.get("cmap") if self.may_be_mapped else None
        if asked is None:
            return self.read
        name = str(getattr(asked, "name", asked))
        return lambda artist: [name]


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


def _bars(result: Any, args: tuple[Any, ...]) -> Iterable[Any]:
    """Every bar of the axes."""
    return tuple(bar for container in result.containers for bar in container)


def _values(result: Any, args: tuple[Any, ...]) -> Iterable[Any]:
    return tuple(result.values())


def _constructed(kind: str) -> Callable[[Any, tuple[Any, ...]], Iterable[Any]]:
    """What a constructor has made, not counting that of a subclass."""
    return lambda result, args: args[:1] if type(args[0]).__name__ == kind else ()


def _argument(result: Any, args: tuple[Any, ...]) -> Iterable[Any]:
    """Of `axes.add_collection3d(collection)`."""
    return (args[1],)


_MAPPED = Rule(_itself, colormap)

RULES: dict[str, Rule] = {
    "_makeline": Rule(_first_part, own),
    "bar": Rule(_each, asked_face),
    "scatter": Rule(_itself, first_face_if_any, may_be_mapped=True),
    "scatter_polar": Rule(_itself, first_face_if_any, may_be_mapped=True),
    "axhline": Rule(_itself, own),
    "axvline": Rule(_itself, own),
    "_fill_between_x_or_y": Rule(_itself, first_face),
    "pie": Rule(_each_of_first_part, face),
    "axvspan": Rule(_itself, face),
    "axhspan": Rule(_itself, face),
    "hlines": Rule(_itself, every_edge, must_have=True),
    "vlines": Rule(_itself, every_edge, must_have=True),
    "boxplot": Rule(_filled_boxes, face),
    "violinplot": Rule(_bodies, first_face),
    "hist": Rule(_hist_patches, face),
    "quiver": Rule(_itself, every_face, must_have=True),
    "imshow": _MAPPED,
    "pcolor": _MAPPED,
    "contour": _MAPPED,
    "contourf": _MAPPED,
    "tripcolor": _MAPPED,
    "fill": Rule(_each, face),
    "broken_barh": Rule(_itself, every_face, must_have=True),
    "plot_polar": Rule(_each, own),
    "plot_polar_like": Rule(_each, own),
    "scatter_3d": Rule(_itself, every_face, may_be_mapped=True, must_have=True),
    "plot_3d": Rule(_each, own),
    "plot_surface_3d": Rule(_itself, first_face, may_be_mapped=True),
    "bar3d_3d": Rule(_itself, first_face),
    "bar_3d": Rule(_each, face),
    "add_collection3d_3d": Rule(_argument, every_face, must_have=True),
    "plot_squarify": Rule(_bars, face),
    "NonUniformImage": Rule(_constructed("NonUniformImage"), colormap),
    "Ellipse": Rule(_constructed("Ellipse"), face),
    "Circle": Rule(_constructed("Circle"), face),
    "VennDiagram": Rule(_constructed("VennDiagram"), of_patches, must_have=True),
    "draw_networkx_nodes": Rule(_itself, every_face, must_have=True),
    "draw_networkx_edges": Rule(_itself, edges_or_arrows, must_have=True),
    "draw_networkx_labels": Rule(_values, own),
}
"""By name of the function, with `_polar`, `_3d` or `_squarify` where another has the same; see chart_artists."""
