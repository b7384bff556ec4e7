"""Text to pre-train on: programs, pages, descriptions and instructions, each by itself.

Nothing here pairs a description with its code, or a question with its answer: that is what tuning teaches.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from viscodex.pocket.worlds import algorithms, charts, pages, questions
from viscodex.pocket.worlds.problem import Content, Family, split_of
from viscodex.pocket.worlds.words import COLOURS, DAYS, HOW, MONTHS, PLACES, SIGNS, THINGS, TRADES, UNITS, WHAT

ALL = (*charts.FAMILIES, *pages.FAMILIES, *questions.FAMILIES, *algorithms.FAMILIES)


def text(name: str) -> str:
    """A document of one of the forms, drawn from a seed."""
    chance = random.Random(name)
    (form,) = chance.choices(FORMS, SHARES)
    return form(chance)


def _content(chance: random.Random, families: tuple[Family, ...]) -> Content:
    """Never one that is kept for tests."""
    while True:
        content = chance.choice(families)(chance)
        if content is not None and split_of(content) == "train":
            return content


def _script(chance: random.Random) -> str:
    return f"```python\n{_content(chance, charts.FAMILIES).code}```\n"


def _page(chance: random.Random) -> str:
    return f"```html\n{_content(chance, pages.FAMILIES).code}```\n"


def _description(chance: random.Random) -> str:
    return _content(chance, (*charts.FAMILIES, *pages.FAMILIES)).description + "\n"


def _functions(chance: random.Random) -> str:
    return "".join(f"```python\n{_content(chance, algorithms.FAMILIES).code}```\n" for _ in range(2))


def _tests(chance: random.Random) -> str:
    return _content(chance, algorithms.FAMILIES).tests


def _instructions(chance: random.Random) -> str:
    return "".join(f"{_content(chance, ALL).prompt}\n" for _ in range(6))


def _sentences(chance: random.Random) -> str:
    return "".join(f"{_sentence(chance)}\n" for _ in range(8))


def _sentence(chance: random.Random) -> str:
    thing, other = chance.sample(THINGS, 2)
    number = 5 * chance.randint(1, 20)
    return chance.choice(
        (
            f"The {chance.choice(SIGNS)} {chance.choice(TRADES)} in {chance.choice(PLACES)} sells {thing} and {other}.",
            f"{chance.choice(HOW)} {chance.choice(WHAT)} of {thing}: {number} {chance.choice(UNITS)}.",
            f"The {chance.choice(COLOURS)} bar is {thing}, the {chance.choice(COLOURS)} bar is {other}.",
            f"{thing.capitalize()} costs more than {other} in {chance.choice(MONTHS)}.",
            f"From {chance.choice(DAYS)} to {chance.choice(DAYS)} there were {number} {chance.choice(UNITS)}.",
            f"{chance.choice(PLACES)} has {number} {chance.choice(UNITS)} of {thing}.",
        )
    )


Form = Callable[[random.Random], str]
FORMS: tuple[Form, ...] = (_script, _page, _description, _functions, _tests, _instructions, _sentences)
SHARES = (25, 20, 15, 15, 5, 10, 10)
