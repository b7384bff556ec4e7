"""JSON with integers of any length, beyond the 4,300 digits that Python converts by itself (CVE-2020-10735)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

DIGITS = 4000
"""What `int` surely converts."""


def whole_number(text: str) -> int:
    """`int(text)` for a JSON integer of any length. Halves are joined by products: faster than a digit at a time."""
    if text.startswith("-"):
        return -whole_number(text[1:])
    if len(text) <= DIGITS:
        return int(text)
    half = len(text) // 2
    return int(whole_number(text[:-half]) * 10**half + whole_number(text[-half:]))


def read_json(text: str | bytes) -> Any:
    """JSON with integers of any length. Each NaN is an object of its own: lists take one and the same for equal."""
    return json.loads(text, parse_int=whole_number, parse_constant=float)


def write_json(value: Any) -> str:
    """JSON of a problem's own data, with integers of any length. Not for what a program made: its cost is quadratic."""
    with _any_length():
        return json.dumps(value)


def shown(value: Any) -> str:
    """`repr` for people, or what kind of thing it is where that cannot be printed."""
    try:
        return repr(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} that is too long or too deep"


@contextmanager
def _any_length() -> Iterator[None]:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)
