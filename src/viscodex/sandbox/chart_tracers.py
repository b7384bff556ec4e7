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

from viscodex.sandbox.chart_colours import RULES, Rule

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

    def clear(self) -> None:
        """Forget everything; what was traced while warming up is no script's."""
        for store in (self.types, self.late_types, self.artists, self.late_artists):
            store.clear()
        self.type_log, self.colour_log = Log(), Log()

    def count(self, name: str) -> None:
        (self.late_types if self.type_log.has_ended else self.types)[name] += 1

    def keep(self, group: str, rule: Rule, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Store the artists a call has made under the colours that they have now."""
        try:
            reader = rule.reader(kwargs)
            for artist in rule.artists(result, args):
                for colour in reader(artist):
                    store = self.late_artists if self.colour_log.has_ended else self.artists
                    store[group, colour] = (artist, reader)
        except Exception:  # noqa: BLE001  # whatever an artist of the script's raises ends the log, not the script
            self.colour_log.has_ended = True

    def colours(self, *, late: bool = False) -> list[tuple[str, str]]:
        """(group, colour now) of every stored artist, in the order of the calls, each once."""
        found: dict[tuple[str, str], None] = {}
        for (group, _), (artist, reader) in (self.late_artists if late else self.artists).items():
            try:
                found |= {(group, colour): None for colour in reader(artist)}
            except Exception:  # noqa: BLE001  # as above
                continue
        return list(found)


LEDGER = Ledger()


def traced(target: Target) -> Callable[..., Any]:
    """`target.original`, writing down its outermost calls."""
    original, rule = target.original, RULES.get(target.group)

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        types, colours = LEDGER.type_log, LEDGER.colour_log
        is_type = bool(target.type) and not types.is_inside
        is_colour = rule is not None and not colours.is_inside
        if is_type:
            LEDGER.count(target.type)
            types.is_inside = True
        colours.is_inside |= is_colour
        try:
            result = original(*args, **kwargs)
        except BaseException:
            types.has_ended |= is_type
            colours.has_ended |= is_colour
            raise
        finally:
            types.is_inside &= not is_type
            colours.is_inside &= not is_colour
        if is_colour and rule is not None:
            LEDGER.keep(target.group, rule, result, args, kwargs)
        return result

    return wrapper


def nameless(target: Target) -> Callable[..., Any]:
    """Like `traced`, for types only and without the function's name, which makes seaborn and networkx stumble."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        log = LEDGER.type_log
        if log.is_inside:
            return target.original(*args, **kwargs)
        LEDGER.count(target.type)
        log.is_inside = True
        try:
            return target.original(*args, **kwargs)
        except BaseException:
            log.has_ended = True
            raise
        finally:
            log.is_inside = False

    return wrapper


@functools.cache
def targets() -> tuple[Target, ...]:
    """Every traced function, as it was before it was traced."""
    return tuple(_targets())


def install(wrap: Callable[[Target], Callable[..., Any]] = traced, *, only_types: bool = False) -> None:
    """Put every target's wrapper, or the original, in its place."""
    for target in targets():
        wanted = bool(target.type) or not only_types
        setattr(target.owner, target.attribute, wrap(target) if wanted else target.original)


def _targets() -> Iterable[Target]:
    axes = importlib.import_module("matplotlib.axes").Axes
    for name in dict.fromkeys(AXES_TYPES + AXES_COLOURS):
        yield _target(axes, name, name in AXES_TYPES, name in AXES_COLOURS)
    yield _target(importlib.import_module("matplotlib.axes._base")._process_plot_var_args, "_makeline", False, True)
    yield _target(importlib.import_module("matplotlib.projections.polar").PolarAxes, "plot", True, True, "_polar")
    axes_3d = importlib.import_module("mpl_toolkits.mplot3d").Axes3D
    for name in AXES_3D:
        yield _target(axes_3d, name, True, True, "_3d")
    yield _target(importlib.import_module("squarify"), "plot", True, True, "_squarify")
    for module in ("networkx", "networkx.drawing.nx_pylab"):
        for name in NETWORKX:
            yield _target(importlib.import_module(module), name, True, True)
    yield _constructor(importlib.import_module("matplotlib.image").NonUniformImage)
    yield _constructor(importlib.import_module("matplotlib.patches").Ellipse)
    yield _constructor(importlib.import_module("matplotlib.patches").Circle)
    yield _constructor(importlib.import_module("matplotlib_venn._common").VennDiagram)


def _target(owner: Any, attribute: str, is_type: bool, is_colour: bool, suffix: str = "") -> Target:
    name = attribute + suffix
    return Target(owner, attribute, name if is_type else "", name if is_colour else "", getattr(owner, attribute))


def _constructor(kind: Any) -> Target:
    return Target(kind, "__init__", kind.__name__, kind.__name__, kind.__init__)
