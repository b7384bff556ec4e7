"""Text that teaches to copy: lists said twice, and values looked up by their keys and written in another notation.

A language model of millions of words has met so much repetition that it copies what it has read. One of a few thousand
documents has not, and copying is most of what writing code from a description, or from a picture, asks for.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from viscodex.pocket.worlds.problem import quoted
from viscodex.pocket.worlds.words import (
    AXES,
    BUTTONS,
    COLOURS,
    COLUMNS,
    DAYS,
    FIELDS,
    HOW,
    LINKS,
    MONTHS,
    PALE,
    PLACES,
    SIGNS,
    THINGS,
    TRADES,
    UNITS,
    WHAT,
)

KEYS = (
    *("title", "labels", "values", "color", "name", "xlabel", "ylabel", "xlim", "ylim", "marker", "bins", "heading"),
    *("text", "links", "columns", "row", "button", "background", "accent", "item", "card", "field", "picture", "draw"),
)
WORDS = sorted({*THINGS, *PLACES, *UNITS, *AXES, *COLOURS, *PALE, *DAYS, *MONTHS, *BUTTONS, *FIELDS, *COLUMNS, *LINKS})
LISTS = (THINGS, DAYS, MONTHS, COLOURS, PLACES, FIELDS, LINKS, UNITS)

Value = str | list[str] | list[int]


def copied(name: str) -> str:
    """A document drawn from a seed: mostly short episodes, since what is copied over a short way is learned first."""
    chance = random.Random(f"copying {name}")
    return chance.choice((_echoes, _echoes, _echoes, _looked_up))(chance)


def _echoes(chance: random.Random) -> str:
    """A line, at once again in another notation; and so on."""
    write = chance.choice((*NOTATIONS, _same))
    lines = []
    for _ in range(chance.randint(4, 7)):
        key, value = chance.choice(KEYS), _value(chance)
        lines.append(f"{key}: {_plain(value)}\n{write(key, value)}\n")
    return "\n".join(lines)


def _looked_up(chance: random.Random) -> str:
    """`key: value` lines, then each value again by its key, in the same order or another."""
    keys = chance.sample(KEYS, chance.randint(2, 5))
    told = {key: _value(chance) for key in keys}
    lines = [f"{key}: {_plain(value)}" for key, value in told.items()]
    write = chance.choice(NOTATIONS)
    if chance.random() < 0.4:
        chance.shuffle(keys)
    return "\n".join(lines) + "\n\n" + "".join(f"{write(key, told[key])}\n" for key in keys)


def _value(chance: random.Random) -> Value:
    match chance.randrange(5):
        case 0:
            return f"{chance.choice(HOW)} {chance.choice(WHAT)}"
        case 1:
            return f"{chance.choice(SIGNS)} {chance.choice(TRADES)}"
        case 2:
            return chance.choice(WORDS)
        case 3:
            return chance.sample(chance.choice(LISTS), chance.randint(2, 4))
        case _:
            return [_number(chance) for _ in range(chance.randint(1, 5))]


def _number(chance: random.Random) -> int:
    return chance.choice((2, 5, 10)) * chance.randint(0, 10)


def _plain(value: Value) -> str:
    return value if isinstance(value, str) else ", ".join(map(str, value))


def _coded(value: Value) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    words = [one for one in value if isinstance(one, str)]
    return quoted(words) if words else f"[{_plain(value)}]"


def _call(key: str, value: Value) -> str:
    return f"plt.{key}({_coded(value)})"


def _assignment(key: str, value: Value) -> str:
    return f"{key}={_coded(value)}"


def _element(key: str, value: Value) -> str:
    return f"<{key}>{_plain(value)}</{key}>"


def _style(key: str, value: Value) -> str:
    return f"{key} {{ {_plain(value)} }}"


def _same(key: str, value: Value) -> str:
    return f"{key}: {_plain(value)}"


NOTATIONS: tuple[Callable[[str, Value], str], ...] = (_call, _assignment, _element, _style)
