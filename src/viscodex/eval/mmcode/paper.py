"""The comparator of `paper`: the published evaluator's, which tries seven readings and takes the first that fits.

To be compared with published numbers, and for nothing else: it does not see the order of lines or words, nor how often
a line comes.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import Any

from viscodex.eval.mmcode.cases import with_int_keys

RELATIVE, ABSOLUTE = 1e-5, 1e-8
DIGITS = 3


def same_text(expected: str, printed: str) -> bool:
    """Seven readings of two outputs, in the evaluator's order; any one that fits is enough."""
    out = printed.splitlines()
    wanted = expected.split("\n")
    if "\n".join(out).strip() == expected.strip():
        return True
    if "\n".join(line.strip() for line in out).strip() == "\n".join(line.strip() for line in wanted).strip():
        return True
    wanted = [line.strip() for line in wanted if line]
    if wanted == out:
        return True
    out = [line for line in out if line]
    return wanted == out or _same_floats(wanted, out) or _same_sets(wanted, out)


def _same_floats(expected: list[str], printed: list[str]) -> bool:
    """Reading 5: a float in every line, each close to its counterpart, as numpy's `allclose` has it."""
    if len(expected) != len(printed):
        return False
    try:
        return all(_close(float(wanted), float(got)) for wanted, got in zip(expected, printed, strict=True))
    except ValueError:
        return False


def _close(expected: float, number: float) -> bool:
    if not math.isfinite(expected) or not math.isfinite(number):
        return expected == number
    return abs(number - expected) <= ABSOLUTE + RELATIVE * abs(expected)


def _same_sets(expected: list[str], printed: list[str]) -> bool:
    """Readings 6 and 7: a set of lines, each a set of words, or of floats rounded to three digits."""
    wanted = [line.split() for line in expected]
    out = [words for line in printed if (words := line.split())]
    if _set_of_sets(wanted) == _set_of_sets(out):
        return True
    try:
        return _set_of_sets(map(_rounded, wanted)) == _set_of_sets(map(_rounded, out))
    except ValueError:
        return False


def _rounded(words: list[str]) -> list[float]:
    return [round(float(word), DIGITS) for word in words]


def _set_of_sets(lines: Iterable[Iterable[Hashable]]) -> set[frozenset[Hashable]]:
    return {frozenset(words) for words in lines}


def same_value(expected: Any, value: Any) -> bool:
    """The value, its list if it is a tuple, or the first of a list that is expected; no tolerance."""
    try:
        return _same_value(expected, list(value) if isinstance(value, tuple) else value)
    except (RecursionError, TypeError):  # too deep; rows of which the first alone is a tuple
        return False


def _same_value(expected: Any, value: Any) -> bool:
    if value == expected:
        return True
    if not isinstance(expected, list) or not expected:
        return False
    first = with_int_keys(expected[0])
    if value == first:
        return True
    has_rows = isinstance(value, list) and bool(value) and isinstance(value[0], tuple)
    return has_rows and [list(row) for row in value] == first
