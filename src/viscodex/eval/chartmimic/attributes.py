"""What the four metrics compare, taken from one or more executions of a script under a protocol.

fixed   one execution tells everything
paper   as the published evaluators saw it: each in a run of its own, an answer inside `try … except Exception`, a
        reference bare. What an exception ends, and what seaborn does when functions have no names, follows from that.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from viscodex.eval.benchmark import Rules
from viscodex.eval.chartmimic.colours import Colour
from viscodex.sandbox.chart import Chart
from viscodex.sandbox.chart_artists import Artists, Cell

IN_GRAPHS = Cell(nrows=1, ncols=1, row_start=0, row_end=1, col_start=0, col_end=1)
"""What every axes counts as in charts of the category "graph"."""
PAPER_TYPES = {"Circle": "Ellipse", "scatter_3d": "scatter", "bar_3d": "bar", "plot_polar_like": "plot"}
"""Published names are of a function and the file it is written in, and do not tell these apart."""
PAPER_GROUPS = {"Circle": "Ellipse"}
UNSEEN = "plot_polar_like"
"""A group of colours that the published evaluator does not know, and whose lines it does not see either."""


@dataclass(frozen=True)
class Attributes:
    """The four multisets (colours: a set) of one script."""

    text: Counter[str] = field(default_factory=Counter)
    layout: Counter[Cell] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    colours: tuple[Colour, ...] = ()


@dataclass(frozen=True)
class Executions:
    """The runs of one script: as it is and, only for seaborn under `paper`, for one log each by nameless functions."""

    plain: Chart
    types: Chart | None = None
    colours: Chart | None = None


def attributes(runs: Executions, protocol: Rules, *, is_reference: bool, is_graph: bool) -> Attributes:
    """What a protocol sees of a script; nothing when it ended without a word or its figure cannot be drawn."""
    artists = runs.plain.artists
    if artists is None or (protocol == "paper" and _leaves_nothing(runs.plain, is_reference=is_reference)):
        return Attributes()
    if protocol == "fixed":
        colours = dict.fromkeys(artists.colours + artists.late_colours)
        types = Counter(artists.types) + Counter(artists.late_types)
        return Attributes(
            Counter(artists.text),
            layout(artists, is_graph=is_graph),
            _renamed(types, {UNSEEN: "plot_polar"}),
            tuple(dict.fromkeys((_renamed_group(group), value) for group, value in colours)),
        )
    is_open = artists.figure == "open"
    return Attributes(
        Counter(artists.saved_text) + (Counter(artists.text) if is_open else Counter()),
        layout(artists, is_graph=is_graph) if is_open else Counter(),
        _paper_types(runs.types or runs.plain, is_reference=is_reference),
        _paper_colours(runs.colours or runs.plain, is_reference=is_reference),
    )


def layout(artists: Artists, *, is_graph: bool) -> Counter[Cell]:
    """The places of the figure's axes; those outside of any grid are left out."""
    if is_graph:
        return Counter({IN_GRAPHS: len(artists.layout)}) if artists.layout else Counter()
    return Counter(cell for cell in artists.layout if cell is not None)


def _leaves_nothing(chart: Chart, *, is_reference: bool) -> bool:
    """Whether the published runs end before they write down what they saw."""
    cannot_be_drawn = chart.artists is not None and chart.artists.figure == "open" and not chart.png
    return cannot_be_drawn or _ends_early(chart, is_reference=is_reference)


def _ends_early(chart: Chart, *, is_reference: bool) -> bool:
    """By something that `except Exception` does not catch; in a reference, which runs bare, by any exception."""
    if chart.status in ("ok", "no_figure"):
        return False
    is_exception = chart.status in ("error", "memory") and not chart.reason.startswith("KeyboardInterrupt")
    return is_reference or not is_exception


def _paper_types(chart: Chart, *, is_reference: bool) -> Counter[str]:
    if chart.artists is None or _ends_early(chart, is_reference=is_reference):
        return Counter()
    return _renamed(Counter(chart.artists.types), PAPER_TYPES)


def _paper_colours(chart: Chart, *, is_reference: bool) -> tuple[Colour, ...]:
    if chart.artists is None or _leaves_nothing(chart, is_reference=is_reference):
        return ()
    if "end" in chart.artists.trips or (is_reference and chart.artists.trips):
        return ()
    seen = ((PAPER_GROUPS.get(group, group), value) for group, value in chart.artists.colours if group != UNSEEN)
    return tuple(dict.fromkeys(seen))


def _renamed(counts: Counter[str], names: dict[str, str]) -> Counter[str]:
    merged: Counter[str] = Counter()
    for name, count in counts.items():
        merged[names.get(name, name)] += count
    return merged


def _renamed_group(group: str) -> str:
    return "plot_polar" if group == UNSEEN else group
