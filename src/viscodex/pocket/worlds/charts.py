"""Charts of six families: values on a coarse grid, large letters, one short regular script each."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from viscodex.pocket.worlds.problem import Content, Family, listed, quoted, some
from viscodex.pocket.worlds.words import (
    AXES,
    COLOURS,
    DAYS,
    HEIGHT,
    HOW,
    MONTHS,
    PALE,
    PLACES,
    SCALES,
    THINGS,
    UNITS,
    WHAT,
    WIDTH,
)

LEVELS = 10
"""An axis has so many steps that a value can lie on."""
ROOM = 7
"""Steps that values reach below a legend."""

PROMPTS = (
    "Write matplotlib code that draws this chart.",
    "Write Python code for this chart.",
    "Recreate this chart with matplotlib.",
    "Which script draws this plot? Answer with the code.",
    "Turn this plot into matplotlib code.",
)

OPENING = f"""\
import matplotlib.pyplot as plt

plt.figure(figsize=({WIDTH / 100:g}, {HEIGHT / 100:g}))
"""
AXES_BOX = "plt.axes([0.24, 0.24, 0.7, 0.62])\n"
PIE_BOX = "plt.axes([0.1, 0.02, 0.8, 0.82])\n"
CLOSING = "plt.show()\n"


@dataclass
class Sheet:
    """A chart while it is written: its script and its description grow together, in the same order."""

    family: str
    box: str = AXES_BOX
    lines: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def write(self, line: str, *told: tuple[str, object]) -> None:
        self.lines.append(f"{line}\n")
        self.told += [f"{key}: {value}" for key, value in told]

    def content(self, chance: random.Random) -> Content:
        code = OPENING + self.box + "".join(self.lines) + CLOSING
        description = "\n".join([f"chart: {self.family}", *self.told])
        return Content(self.family, chance.choice(PROMPTS), code, description, picture_of=code)


def bar(chance: random.Random) -> Content:
    """Three or four bars of one colour, standing or lying."""
    if chance.random() < 0.25:
        return _lying(chance)
    labels = some(chance, THINGS, chance.randint(3, 4))
    scale = chance.choice(SCALES)
    return bars(chance, labels, _values(chance, scale, len(labels)), scale, chance.choice(COLOURS))


def bars(
    chance: random.Random, labels: Sequence[str], values: Sequence[int], scale: int, colour: str, call: str = "bar"
) -> Content:
    """A bar chart of these; the texts around them are drawn."""
    sheet = Sheet("bar")
    _title(sheet, chance)
    sheet.write(
        f'plt.{call}({quoted(labels)}, {_list(values)}, color="{colour}")',
        ("draw", call),
        ("labels", listed(labels)),
        ("values", listed(values)),
        ("color", colour),
    )
    if call == "barh":
        _name(sheet, "x", chance.choice(UNITS))
        _limit(sheet, "x", scale)
    else:
        _names(sheet, chance)
        _limit(sheet, "y", scale)
    _grid(sheet, chance)
    return sheet.content(chance)


def _lying(chance: random.Random) -> Content:
    scale = chance.choice(SCALES)
    return bars(chance, some(chance, THINGS, 3), _values(chance, scale, 3), scale, chance.choice(COLOURS), "barh")


def grouped_bar(chance: random.Random) -> Content:
    """Two series of bars side by side."""
    sheet = Sheet("grouped_bar")
    _title(sheet, chance)
    count = chance.randint(2, 3)
    scale = chance.choice(SCALES)
    series = some(chance, PLACES, 2)
    for place, (name, colour) in enumerate(zip(series, some(chance, COLOURS, 2), strict=True)):
        values = _values(chance, scale, count, ROOM)
        where = [f"{index + 0.4 * place:g}" for index in range(count)]
        sheet.write(
            f'plt.bar({_list(where)}, {_list(values)}, 0.4, color="{colour}", label="{name}")',
            ("values", listed(values)),
            ("color", colour),
            ("name", name),
        )
    labels = some(chance, THINGS, count)
    middles = [f"{index + 0.2:g}" for index in range(count)]
    sheet.write(f"plt.xticks({_list(middles)}, {quoted(labels)})", ("labels", listed(labels)))
    _names(sheet, chance)
    _limit(sheet, "y", scale)
    _legend(sheet)
    return sheet.content(chance)


def line(chance: random.Random) -> Content:
    """One to three series over days or months."""
    sheet = Sheet("line")
    _title(sheet, chance)
    count = chance.randint(1, 3)
    span = chance.choice((DAYS, MONTHS))
    first = chance.randint(0, 2)
    ticks = span[first : first + chance.randint(3, 4)]
    scale = chance.choice(SCALES)
    series = some(chance, PLACES, count)
    sheet.write(f"x = {quoted(ticks)}", ("labels", listed(ticks)))
    for name, colour in zip(series, some(chance, COLOURS, count), strict=True):
        values = _values(chance, scale, len(ticks), ROOM if count > 1 else LEVELS - 1)
        label = f', label="{name}"' if count > 1 else ""
        told: list[tuple[str, object]] = [("values", listed(values)), ("color", colour)]
        told += [("name", name)] if count > 1 else []
        sheet.write(f'plt.plot(x, {_list(values)}, color="{colour}", marker="o"{label})', *told)
    _names(sheet, chance)
    _limit(sheet, "y", scale)
    _grid(sheet, chance)
    if count > 1:
        _legend(sheet, count)
    return sheet.content(chance)


def scatter(chance: random.Random) -> Content:
    """Four to six points on a grid."""
    sheet = Sheet("scatter")
    _title(sheet, chance)
    count = chance.randint(4, 6)
    width, height = chance.choice(SCALES), chance.choice(SCALES)
    across = [width * place // LEVELS for place in sorted(some(chance, range(1, LEVELS), count))]
    up = _values(chance, height, count)
    colour, marker = chance.choice(COLOURS), chance.choice("os^D")
    sheet.write(
        f'plt.scatter({_list(across)}, {_list(up)}, color="{colour}", marker="{marker}")',
        ("x", listed(across)),
        ("y", listed(up)),
        ("color", colour),
        ("marker", marker),
    )
    _names(sheet, chance)
    _limit(sheet, "x", width)
    _limit(sheet, "y", height)
    _grid(sheet, chance)
    return sheet.content(chance)


def pie(chance: random.Random) -> Content:
    """Three or four shares in tenths."""
    sheet = Sheet("pie", PIE_BOX)
    _title(sheet, chance)
    count = chance.randint(3, 4)
    cuts = [0, *sorted(some(chance, range(1, 10), count - 1)), 10]
    shares = [10 * (end - start) for start, end in pairwise(cuts)]
    labels, colours = some(chance, THINGS, count), some(chance, PALE, count)
    sheet.write(
        f'plt.pie({_list(shares)}, labels={quoted(labels)}, colors={quoted(colours)}, autopct="%.0f%%", startangle=90)',
        ("values", listed(shares)),
        ("labels", listed(labels)),
        ("colors", listed(colours)),
    )
    return sheet.content(chance)


def histogram(chance: random.Random) -> Content:
    """Counts of four or five bins of one width."""
    sheet = Sheet("histogram")
    _title(sheet, chance)
    width = chance.choice((1, 5, 10))
    edges = [width * place for place in range(chance.randint(4, 5) + 1)]
    scale = chance.choice(SCALES)
    counts = _values(chance, scale, len(edges) - 1)
    colour = chance.choice(COLOURS)
    sheet.write(
        f"plt.hist({_list(edges[:-1])}, bins={_list(edges)}, weights={_list(counts)}, "
        f'color="{colour}", edgecolor="black")',
        ("bins", listed(edges)),
        ("values", listed(counts)),
        ("color", colour),
    )
    _names(sheet, chance)
    _limit(sheet, "y", scale)
    return sheet.content(chance)


FAMILIES: tuple[Family, ...] = (bar, grouped_bar, line, scatter, pie, histogram)


def _title(sheet: Sheet, chance: random.Random) -> None:
    title = f"{chance.choice(HOW)} {chance.choice(WHAT)}"
    sheet.write(f'plt.title("{title}")', ("title", title))


def _values(chance: random.Random, scale: int, count: int, highest: int = LEVELS - 1) -> list[int]:
    return [scale * chance.randint(1, highest) // LEVELS for _ in range(count)]


def _names(sheet: Sheet, chance: random.Random) -> None:
    _name(sheet, "x", chance.choice(AXES))
    _name(sheet, "y", chance.choice(UNITS))


def _name(sheet: Sheet, axis: str, name: str) -> None:
    sheet.write(f'plt.{axis}label("{name}")', (f"{axis}label", name))


def _limit(sheet: Sheet, axis: str, end: int) -> None:
    sheet.write(f"plt.{axis}lim(0, {end})", (f"{axis}lim", end))


def _grid(sheet: Sheet, chance: random.Random) -> None:
    if chance.random() < 0.3:
        sheet.write("plt.grid(True)", ("grid", "on"))


def _legend(sheet: Sheet, count: int = 2) -> None:
    sheet.write(f'plt.legend(ncol={count}, loc="upper center", fontsize=8, handlelength=1, columnspacing=1)')


def _list(values: Sequence[object]) -> str:
    return f"[{listed(values)}]"
