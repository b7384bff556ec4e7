"""The comparator of `fixed`: order counts, space does not, and floats have a tolerance where the test has a float."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

TOLERANCE = 1e-6
"""Absolute, and relative to what is expected; the larger of the two counts."""

# Possessive, so that a line of a million digits takes linear time.
FLOAT = re.compile(r"[+-]?(?:[0-9]++\.[0-9]*+|\.[0-9]++|[0-9]++(?=[eE]))(?:[eE][+-]?[0-9]++)?")
NUMBER = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
TOKEN = re.compile(r"[^ \t\r\v\f]++")
LONGEST_NUMBER = 1000
"""Characters; what is longer is compared as text."""


def same_text(expected: str, printed: str) -> bool:
    """Whether two outputs hold the same tokens in the same lines; lines without tokens do not count."""
    if expected == printed:
        return True
    pairs = zip_longest(_lines(expected), _lines(printed))
    return all(a is not None and b is not None and _same_line(a, b) for a, b in pairs)


def _lines(text: str) -> Iterator[list[str]]:
    return (tokens for line in text.split("\n") if (tokens := TOKEN.findall(line)))


def _same_line(expected: list[str], printed: list[str]) -> bool:
    return len(expected) == len(printed) and all(map(same_token, expected, printed))


def same_token(expected: str, printed: str) -> bool:
    """The same text; or two numbers that are close, where the expected one has a point or an exponent."""
    if expected == printed:
        return True
    if max(len(expected), len(printed)) > LONGEST_NUMBER:
        return False
    if not FLOAT.fullmatch(expected) or not NUMBER.fullmatch(printed):
        return False
    wanted, number = float(expected), float(printed)
    return math.isfinite(wanted) and math.isfinite(number) and _close(wanted, number)


def _close(expected: float, number: float) -> bool:
    return abs(number - expected) <= TOLERANCE * max(1.0, abs(expected))


def same_value(expected: Any, value: Any) -> bool:
    """Deep equality of plain data: tuples are lists, floats have a tolerance where one is expected, nan is nan.

    Without recursion: a program may return something very deep.
    """
    pairs = [(expected, value)]
    while pairs:
        wanted, got = pairs.pop()
        if isinstance(wanted, list | tuple):
            if not isinstance(got, list | tuple) or len(got) != len(wanted):
                return False
            pairs.extend(zip(wanted, got, strict=True))
        elif isinstance(wanted, dict):
            if not isinstance(got, dict) or got.keys() != wanted.keys():
                return False
            pairs.extend((item, got[key]) for key, item in wanted.items())
        elif not _same_scalar(wanted, got):
            return False
    return True


def _same_scalar(expected: Any, value: Any) -> bool:
    if isinstance(value, list | tuple | dict):
        return False
    if not isinstance(expected, float) or not isinstance(value, int | float):
        return bool(expected == value)
    if math.isnan(expected):
        return isinstance(value, float) and math.isnan(value)
    try:
        return expected == value or (math.isfinite(expected) and _close(expected, float(value)))
    except OverflowError:  # an integer beyond every float
        return False
