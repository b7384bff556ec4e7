"""What a chart's script calls, written down while it runs: the kinds of plots, and the colours it draws with.

Runs inside the chart environment. Each traced function is wrapped once, before any script runs, with its name and
signature kept (seaborn and networkx look at them). Types and colours are two logs, each with its own memory of being
inside a traced call, so that only the outermost call counts. An exception inside a traced call ends that log: what is
seen afterwards is kept apart, as `late`, because a log that lived in a run of its own would have ended there.
"""

from __future__ import annotations

import functools
import importlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from viscodex.sandbox.chart_colours import RULES, Rule, trips_the_original

# fmt: off
AXES_TYPES = [
    "bar", "barh", "plot", "axhline", "axvline", "axvspan", "axhspan", "hlines", "vlines", "errorbar", "boxplot",
    "violinplot", "violin", "hist", "fill_between", "fill_betweenx", "scatter", "quiver", "pie", "fill", "imshow",
    "pcolor", "contour", "contourf", "broken_barh", "tripcolor",
]
AXES_COLOURS = [
    "bar", "scatter", "axhline", "axvline", "_fill_between_x_or_y", "pie", "axvspan", "axhspan", "hlines", "vlines",
    "boxplot", "violinplot", "hist", "quiver", "imshow", "pcolor", "contour", "contourf", "fill", "broken_barh",
    "tripcolor",
]
# fmt: on
AXES_3D = ["scatter", "plot", "plot_surface", "bar3d", "bar", "add_collection3d"]
NETWORKX = ["draw_networkx_nodes", "draw_networkx_edges", "draw_networkx_labels"]


@dataclass(frozen=True)
class Target:
    """A function to trace: an attribute of a class or module, and its name in either log ("" = not in that log)."""

    owner: Any
    attribute: str
    type: str
    group: str
    original: Callable[..., Any]
    polar_axes: Any = None
    """The class of polar axes, for functions that have another name there."""

    def names(self, args: tuple[Any, ...]) -> tuple[str, str]:
        """The name in either log; `plot_polar_like` on axes that a script has derived from polar ones."""
        if self.polar_axes is None or not args:
            return self.type, self.group
        is_polar = type(args[0]) is self.polar_axes
        if self.attribute == "scatter":
            return self.type, "scatter_polar" if is_polar else self.group
        return (self.type, self.group) if is_polar else (f"{self.type}_like", f"{self.group}_like")


@dataclass
class Log:
    """One of the two logs."""

    is_inside: bool = False
    has_ended: bool = False


@dataclass
class Ledger:
    """Everything the tracers of one process have written down."""

    type_log: Log = field(default_factory=Log)
    colour_log: Log = field(default_factory=Log)
    types: Counter[str] = field(default_factory=Counter)
    late_types: Counter[str] = field(default_factory=Counter)
    artists: dict[tuple[str, str], tuple[Any, Callable[[Any], list[str]]]] = field(default_factory=dict)
    """(group, colour at the time of the call) → the artist, and how its colour is read again."""
    late_artists: dict[tuple[str, str], tuple[Any, Callable[[Any], list[str]]]] = field(default_factory=dict)
    trips: list[str] = field(default_factory=list)
    """When a colour could not be read as the published evaluator reads it: during a "call", at the "end"."""

    def clear(self) -> None:
        """Forget everything; what was traced while warming up is no script's."""
        for store in (self.types, self.late_types, self.artists, self.late_artists, self.trips):
            store.clear()
        self.type_log, self.colour_log = Log(), Log()

    def count(self, name: str) -> None:
        (self.late_types if self.type_log.has_ended else self.types)[name] += 1

    def keep(self, group: str, rule: Rule, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Store the artists a call has made, each under the last of the colours that it has now."""
        try:
            reader = rule.reader(kwargs)
            for artist in rule.artists(result, args):
                colours = reader(artist)
                if trips_the_original(group, artist) or (rule.must_have and not colours):
                    self._note_trip("call")
                store = self.late_artists if self.colour_log.has_ended else self.artists
                for colour in colours[-1:]:
                    store[group, colour] = (artist, reader)
        except Exception:  # noqa: BLE001  # whatever an artist of the script's raises ends the log, not the script
            self._note_trip("call")

    def _note_trip(self, when: str) -> None:
        self.colour_log.has_ended |= when == "call"
        if when not in self.trips:
            self.trips.append(when)

    def colours(self, *, late: bool = False) -> list[tuple[str, str]]:
        """(group, colour now) of every stored artist, in the order of the calls, each once."""
        found: dict[tuple[str, str], None] = {}
        for (group, _), (artist, reader) in (self.late_artists if late else self.artists).items():
            try:
                found |= {(group, colour): None for colour in reader(artist)}
                trips = trips_the_original(group, artist)
            except Exception:  # noqa: BLE001  # as above
                trips = True
            if trips and not late:
                self._note_trip("end")
        return list(found)


LEDGER = Ledger()


def traced(target: Target, *, types: bool = True, colours: bool = True, named: bool = True) -> Callable[..., Any]:
    """`target.original`, writing down its outermost calls in one log or both.

    Without its name, seaborn stumbles over it: the published evaluators' tracers were like that.
    """
    original = target.original

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        kind, group = target.names(args)
        type_log, colour_log = LEDGER.type_log, LEDGER.colour_log
        is_type = types and bool(kind) and not type_log.is_inside
        is_colour = colours and bool(group) and not colour_log.is_inside
        if is_type:
            LEDGER.count(kind)
            type_log.is_inside = True
        colour_log.is_inside |= is_colour
        try:
            result = original(*args, **kwargs)
        except BaseException:
            type_log.has_ended |= is_type
            colour_log.has_ended |= is_colour
            raise
        finally:
            type_log.is_inside &= not is_type
            colour_log.is_inside &= not is_colour
        if is_colour:
            LEDGER.keep(group, RULES[group], result, args, kwargs)
        return result

    return functools.wraps(original)(wrapper) if named or target.attribute in NETWORKX else wrapper


@functools.cache
def targets() -> tuple[Target, ...]:
    """Every traced function, as it was before it was traced."""
    return tuple(_targets())


def install(only: str = "") -> None:
    """Put every target's tracer in its place; `only` "types" or "colours": that log's, and without names."""
    for target in targets():
        types, colours = bool(target.type) and only != "colours", bool(target.group) and only != "types"
        wrapper = traced(target, types=types, colours=colours, named=not only)
        setattr(target.owner, target.attribute, wrapper if types or colours else target.original)


def _targets() -> Iterable[Target]:
    axes = importlib.import_module("matplotlib.axes").Axes
    polar = importlib.import_module("matplotlib.projections.polar").PolarAxes
    for name in dict.fromkeys(AXES_TYPES + AXES_COLOURS):
        kind, group = name * (name in AXES_TYPES), name * (name in AXES_COLOURS)
        yield Target(axes, name, kind, group, getattr(axes, name), polar if name == "scatter" else None)
    yield _target(importlib.import_module("matplotlib.axes._base")._process_plot_var_args, "_makeline", is_type=False)
    yield Target(polar, "plot", "plot_polar", "plot_polar", polar.plot, polar)
    axes_3d = importlib.import_module("mpl_toolkits.mplot3d").Axes3D
    for name in AXES_3D:
        yield _target(axes_3d, name, "_3d")
    yield _target(importlib.import_module("squarify"), "plot", "_squarify")
    for module in ("networkx", "networkx.drawing.nx_pylab"):
        for name in NETWORKX:
            yield _target(importlib.import_module(module), name)
    yield _constructor(importlib.import_module("matplotlib.image").NonUniformImage)
    yield _constructor(importlib.import_module("matplotlib.patches").Ellipse)
    yield _constructor(importlib.import_module("matplotlib.patches").Circle)
    yield _constructor(importlib.import_module("matplotlib_venn._common").VennDiagram)


def _target(owner: Any, attribute: str, suffix: str = "", *, is_type: bool = True) -> Target:
    name = attribute + suffix
    return Target(owner, attribute, name * is_type, name, getattr(owner, attribute))


def _constructor(kind: Any) -> Target:
    return Target(kind, "__init__", kind.__name__, kind.__name__, kind.__init__)
