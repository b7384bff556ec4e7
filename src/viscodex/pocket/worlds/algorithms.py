"""Short functions with tests: pipelines over numbers, loops, texts, and tables that are read from a chart.

What a function does is drawn from a small grammar: a function never seen in training is made of parts that were.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from viscodex.pocket.worlds import charts
from viscodex.pocket.worlds.problem import Content, Family, listed, some
from viscodex.pocket.worlds.words import COLOURS, PLACES, SCALES, THINGS

CASES = 3
"""Assertions of a problem, at least."""
TRIES = 20
"""Inputs that are tried until not all answers are the same."""

ASKED = (
    "Write a Python function solve({given}) that returns {wanted}.",
    "Implement solve({given}). It returns {wanted}.",
    "Complete the function solve({given}): return {wanted}.",
)

Args = tuple[Any, ...]
Draw = Callable[[random.Random], Args]


def filtered(chance: random.Random) -> Content | None:
    """Some of a list's numbers, changed, and summed, counted or listed."""
    which, test = _chosen(chance)
    change, changed = _change(chance)
    kind = chance.choice(("sum", "count", "list", "largest"))
    if kind == "count":
        return _made("filtered", chance, "numbers", f"how many numbers {which}", _count(test), _numbers)
    if kind == "list":
        wanted = f"a list of the numbers that {which}{change}"
        return _made("filtered", chance, "numbers", wanted, f"return [{changed} for n in numbers if {test}]", _numbers)
    name = {"sum": "sum", "largest": "largest"}[kind]
    wanted = f"the {name} of the numbers that {which}{change}" + (", or 0" if kind == "largest" else "")
    call = f"sum({changed} for n in numbers if {test})"
    body = call if kind == "sum" else f"max([{changed} for n in numbers if {test}], default=0)"
    return _made("filtered", chance, "numbers", wanted, f"return {body}", _numbers)


def looped(chance: random.Random) -> Content | None:
    """A loop from 1 to n that adds up, multiplies or collects."""
    which, test = _chosen(chance)
    change, changed = _change(chance)
    kind = chance.choice(("sum", "product", "list"))
    if kind == "product":
        step = chance.randint(1, 4)
        wanted = f"the product of the numbers from {step} to n"
        body = f"total = 1\nfor i in range({step}, n + 1):\n    total *= i\nreturn total"
        return _made("looped", chance, "n", wanted, body, lambda chance: (chance.randint(step, step + 6),))
    begin = {"sum": "total = 0", "list": "found = []"}[kind]
    changed = changed.replace("n", "i")
    add = f"total += {changed}" if kind == "sum" else f"found.append({changed})"
    wanted = f"the {kind} of the numbers from 1 to n that {which}{change}"
    end = "total" if kind == "sum" else "found"
    body = f"{begin}\nfor i in range(1, n + 1):\n    if {test.replace('n', 'i')}:\n        {add}\nreturn {end}"
    return _made("looped", chance, "n", wanted, body, lambda chance: (chance.randint(3, 20),))


def ordered(chance: random.Random) -> Content | None:
    """A list sorted, turned or cut."""
    count = chance.randint(2, 6)
    order, call = chance.choice(
        (
            ("the smallest {0} numbers in ascending order", "sorted(numbers)[:{0}]"),
            ("the largest {0} numbers in descending order", "sorted(numbers, reverse=True)[:{0}]"),
            ("the first {0} numbers", "numbers[:{0}]"),
            ("the last {0} numbers", "numbers[-{0}:]"),
            ("every number but the first {0}", "numbers[{0}:]"),
            ("the sum of the smallest {0} numbers", "sum(sorted(numbers)[:{0}])"),
            ("the sum of the largest {0} numbers", "sum(sorted(numbers)[-{0}:])"),
            ("the first {0} numbers in reverse order", "numbers[:{0}][::-1]"),
            ("the number at position {0}, counted from 0", "numbers[{0}]"),
            ("the list with {0} put at its end", "numbers + [{0}]"),
            ("how often {0} is in the list", "numbers.count({0})"),
            ("whether {0} is in the list", "{0} in numbers"),
            ("the numbers without {0}", "[n for n in numbers if n != {0}]"),
            ("the list repeated {0} times", "numbers * {0}"),
            ("the difference of the largest and the smallest number, times {0}", "(max(numbers) - min(numbers)) * {0}"),
        )
    )
    return _made("ordered", chance, "numbers", order.format(count), f"return {call.format(count)}", _small_numbers)


def texts(chance: random.Random) -> Content | None:
    """Two steps on a text."""
    (first, inner), (second, outer) = some(chance, _STEPS, 2)
    count = chance.randint(2, 5)
    call = outer.format(inner.format("text", k=count), k=count)
    wanted = f"the text {first.format(k=count)}, then {second.format(k=count)}"
    return _made("texts", chance, "text", wanted, f"return {call}", _text)


def letters(chance: random.Random) -> Content | None:
    """Letters of a text counted or found, or its words chosen by their length."""
    letter, other = some(chance, "aeiorstln", 2)
    count, length = chance.randint(2, 5), chance.randint(3, 4)
    wanted, call = chance.choice(
        (
            (f"how often {letter} is in the text", f'text.count("{letter}")'),
            (f"the place of the first {letter} in the text, or -1", f'text.find("{letter}")'),
            (f"the text with every {letter} replaced by {other}", f'text.replace("{letter}", "{other}")'),
            (f"the text without the letter {letter}", f'text.replace("{letter}", "")'),
            (f"whether {letter} comes in the text", f'"{letter}" in text'),
            (f"how many letters are {letter} or {other}", f'sum(c in "{letter}{other}" for c in text)'),
            (f"the words with more than {length} letters", f"[w for w in text.split() if len(w) > {length}]"),
            (f"how many words have {length} letters", f"sum(len(w) == {length} for w in text.split())"),
            (f"the words that begin with {letter}", f'[w for w in text.split() if w.startswith("{letter}")]'),
            (f"the words that end with {letter}", f'[w for w in text.split() if w.endswith("{letter}")]'),
            (f"the words joined by {count} minus signs", f'"{"-" * count}".join(text.split())'),
        )
    )
    return _made("letters", chance, "text", wanted, f"return {call}", _words)


def charted(chance: random.Random) -> Content | None:
    """What a bar chart shows, kept in a table and asked of it."""
    labels = some(chance, THINGS, 3)
    values = [5 * chance.randint(1, 9) for _ in labels]
    chart = charts.bars(chance, labels, values, SCALES[1], chance.choice(COLOURS))
    table = "{" + ", ".join(f'"{label}": {value}' for label, value in zip(labels, values, strict=True)) + "}"
    given, wanted, call, draw = chance.choice(
        (
            ("name", "the value of the bar with this name", "values[name]", lambda chance: (chance.choice(labels),)),
            ("limit", "the names of the bars above the limit", "[k for k in values if values[k] > limit]", _limit),
            ("limit", "how many bars are above the limit", "sum(v > limit for v in values.values())", _limit),
            ("limit", "the sum of the values above the limit", "sum(v for v in values.values() if v > limit)", _limit),
            ("k", "the sum of all values, times k", "sum(values.values()) * k", _limit),
            ("k", "all values in a list, each plus k", "[v + k for v in values.values()]", _limit),
        )
    )
    made = _made("charted", chance, given, wanted, f"values = {table}\nreturn {call}", draw)
    if made is None:
        return None
    asked = f"The chart shows some values. {made.prompt}"
    return made._replace(prompt=asked, picture_of=chart.code, description=chart.description)


FAMILIES: tuple[Family, ...] = (filtered, looped, ordered, texts, letters, charted)

_STEPS = (
    ("in upper case", "{0}.upper()"),
    ("reversed", "{0}[::-1]"),
    ("cut to its first {k} letters", "{0}[:{k}]"),
    ("cut to its last {k} letters", "{0}[-{k}:]"),
    ("repeated {k} times", "({0} * {k})"),
    ("without its first letter", "{0}[1:]"),
    ("without its last letter", "{0}[:-1]"),
    ("with an exclamation mark at its end", '({0} + "!")'),
    ("with a star at its front", '("*" + {0})'),
    ("with a capital at its front", "{0}.capitalize()"),
    ("with its every second letter only", "{0}[::2]"),
    ("with its letters sorted", '"".join(sorted({0}))'),
)


def _made(family: str, chance: random.Random, given: str, wanted: str, body: str, draw: Draw) -> Content | None:
    """The function and its tests: what the reference answers to drawn inputs. None where it is all alike."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    code = f"def solve({given}):\n{lines}"
    names: dict[str, Any] = {}
    exec(compile(code, "solve.py", "exec"), names)  # our own, a few lines above
    cases: dict[str, Any] = {}
    for _ in range(TRIES):
        args = draw(chance)
        cases[listed([repr(arg) for arg in args])] = names["solve"](*args)
        if len(cases) >= CASES and len({repr(value) for value in cases.values()}) > 1:
            break
    else:
        return None
    tests = "".join(f"assert solve({args}) == {value!r}\n" for args, value in cases.items())
    prompt = chance.choice(ASKED).format(given=given, wanted=wanted)
    return Content(family, prompt, code, tests=tests)


def _chosen(chance: random.Random) -> tuple[str, str]:
    """(which numbers, the test of n)."""
    bound, divisor = chance.randint(2, 12), chance.randint(3, 9)
    return chance.choice(
        (
            ("are even", "n % 2 == 0"),
            ("are odd", "n % 2 == 1"),
            (f"are above {bound}", f"n > {bound}"),
            (f"are below {bound}", f"n < {bound}"),
            (f"are not {bound}", f"n != {bound}"),
            (f"can be divided by {divisor}", f"n % {divisor} == 0"),
            (f"cannot be divided by {divisor}", f"n % {divisor} != 0"),
        )
    )


def _change(chance: random.Random) -> tuple[str, str]:
    """(what is done to each of them, as an expression of n)."""
    number = chance.randint(2, 9)
    return chance.choice(
        (
            ("", "n"),
            (", each squared", "n * n"),
            (f", each times {number}", f"n * {number}"),
            (f", each plus {number}", f"n + {number}"),
            (f", each minus {number}", f"n - {number}"),
        )
    )


def _count(test: str) -> str:
    return f"return sum({test} for n in numbers)"


def _numbers(chance: random.Random) -> Args:
    return ([chance.randint(0, 20) for _ in range(chance.randint(4, 7))],)


def _small_numbers(chance: random.Random) -> Args:
    return ([chance.randint(0, 9) for _ in range(chance.randint(7, 9))],)


def _text(chance: random.Random) -> Args:
    return (chance.choice(THINGS) + chance.choice(THINGS),)


def _words(chance: random.Random) -> Args:
    return (" ".join([*some(chance, THINGS, 3), chance.choice(PLACES).lower()]),)


def _limit(chance: random.Random) -> Args:
    return (chance.randint(0, 45),)
