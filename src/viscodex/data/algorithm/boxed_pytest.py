"""What tests use of pytest, inside the box, as `pytest.py`: raises, approx, marks, fixtures as plain functions.

Tests are called one by one by the program itself (suite.py), so nothing is collected, and nothing else of pytest is
needed in the box: starting it would cost a second of CPU for each of a hundred thousand problems.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NoReturn


class Failed(AssertionError):  # noqa: N818  # pytest's name
    """A test said `pytest.fail(…)`, or an expected exception did not come."""


class Skipped(BaseException):
    """Told apart from failing: it reaches the top, so that a test that is skipped does not count as passed."""


class _Raises:
    def __init__(self, expected: Any, match: str | None = None) -> None:
        self.expected, self.match = expected, match
        self.value: Any = None
        self.type: Any = None

    def __enter__(self) -> _Raises:
        return self

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> bool:
        if kind is None:
            raise Failed(f"did not raise {self.expected}")
        if not issubclass(kind, self.expected):
            return False
        self.value, self.type = value, kind
        if self.match is not None and not re.search(self.match, str(value)):
            raise Failed(f"{str(value)!r} does not match {self.match!r}")
        return True


def raises(expected_exception: Any, *args: Any, match: str | None = None, **kwargs: Any) -> _Raises:
    """As a context, or with a function to call."""
    context = _Raises(expected_exception, match)
    if args:
        with context:
            args[0](*args[1:], **kwargs)
    return context


class approx:  # noqa: N801  # its name in pytest
    """Equal within 1e-6 of the expected value, or 1e-12; numbers, and sequences and mappings of them."""

    __hash__ = None  # type: ignore[assignment]
    __array_ufunc__ = None
    __array_priority__ = 100

    def __init__(self, expected: Any, rel: Any = None, abs: Any = None, nan_ok: bool = False) -> None:
        self.expected, self.rel, self.abs, self.nan_ok = expected, rel, abs, nan_ok

    def __eq__(self, actual: Any) -> bool:
        return self._same(actual, self.expected)

    def __ne__(self, actual: Any) -> bool:
        return not self == actual

    def __repr__(self) -> str:
        return f"approx({self.expected!r})"

    def _same(self, actual: Any, expected: Any) -> bool:
        if hasattr(expected, "tolist"):
            expected = expected.tolist()
        if hasattr(actual, "tolist"):
            actual = actual.tolist()
        if isinstance(expected, dict):
            if not isinstance(actual, dict) or actual.keys() != expected.keys():
                return False
            return all(self._same(actual[key], value) for key, value in expected.items())
        if isinstance(expected, (list, tuple)):
            if not isinstance(actual, (list, tuple)) or len(actual) != len(expected):
                return False
            return all(map(self._same, actual, expected))
        return self._same_value(actual, expected)

    def _same_value(self, actual: Any, expected: Any) -> bool:
        if expected is None or isinstance(expected, (str, bytes, bool)):
            return bool(actual == expected)
        try:
            if math.isnan(expected):
                return self.nan_ok and math.isnan(actual)
            if math.isinf(expected):
                return bool(actual == expected)
            rel = self.rel if self.rel is not None else (1e-6 if self.abs is None else 0.0)
            absolute = self.abs if self.abs is not None else 1e-12
            return bool(abs(actual - expected) <= max(rel * abs(expected), absolute))
        except TypeError:
            return bool(actual == expected)


class _Mark:
    def __getattr__(self, name: str) -> Callable[..., Any]:
        def mark(*args: Any, **kwargs: Any) -> Any:
            return args[0] if len(args) == 1 and not kwargs and callable(args[0]) else lambda function: function

        return mark


mark = _Mark()


def fixture(function: Any = None, **options: Any) -> Any:
    """The function itself."""
    return function if function is not None else lambda inner: inner


def param(*values: Any, **options: Any) -> Any:
    return values[0] if len(values) == 1 else values


def fail(reason: str = "", pytrace: bool = True) -> NoReturn:
    raise Failed(reason)


def skip(reason: str = "", **options: Any) -> NoReturn:
    raise Skipped(reason)


def importorskip(name: str, **options: Any) -> Any:
    return __import__(name)
