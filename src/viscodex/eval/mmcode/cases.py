"""The tests of a problem: what goes in, what must come out, and whether a function is called or a program is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from viscodex.sandbox.whole_numbers import read_json, write_json


@dataclass(frozen=True)
class Case:
    """One test. stdio: two texts. Call-based: a list of positional arguments and a value."""

    given: Any
    expected: Any


@dataclass(frozen=True)
class Cases:
    """The tests in order. `function` is empty for stdio; `dropped` counts inputs without output and the reverse."""

    tests: tuple[Case, ...]
    function: str = ""
    dropped: int = 0

    @property
    def is_call_based(self) -> bool:
        return bool(self.function)

    @property
    def is_wrapped(self) -> bool:
        """Whether every expected value is a list of one, as sets of tests that came by way of APPS write each value.

        It can also be the value itself, so `fixed` takes either form then.
        """
        return bool(self.tests) and all(isinstance(c.expected, list) and len(c.expected) == 1 for c in self.tests)


def read_cases(input_output: Any) -> Cases:
    """Tests from the field `input_output`: an object, one as JSON, or nothing. Else a ValueError."""
    data = input_output
    if isinstance(data, str | bytes):
        data = read_json(data) if data.strip() else {}
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        raise ValueError("input_output is no object")
    inputs, outputs = _listed(data, "inputs"), _listed(data, "outputs")
    function = data.get("fn_name") or ""
    if not isinstance(function, str):
        raise ValueError("fn_name is no text")
    make = _call if function else _stdio
    tests = tuple(make(given, expected) for given, expected in zip(inputs, outputs, strict=False))
    return Cases(tests, function, abs(len(inputs) - len(outputs)))


def _listed(data: Mapping[str, Any], name: str) -> list[Any]:
    value = data.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{name} is no list")
    return value


def _stdio(given: Any, expected: Any) -> Case:
    return Case(_text(given), _text(expected))


def _text(value: Any) -> str:
    """A text as it is, a list as lines; a bare number as it is written, however long."""
    if isinstance(value, list):
        return "\n".join(map(_text, value))
    return write_json(value) if type(value) is int else str(value)


def _call(given: Any, expected: Any) -> Case:
    arguments = given if isinstance(given, list) else [given]
    if len(arguments) == 1:
        arguments = [with_int_keys(arguments[0])]
    return Case(arguments, with_int_keys(expected))


def with_int_keys(value: Any) -> Any:
    """A dict with its keys as integers where they are written as such (JSON knows only texts); all else as it is."""
    return {_key(key): item for key, item in value.items()} if isinstance(value, dict) else value


def _key(key: Any) -> Any:
    try:
        return int(key) if isinstance(key, str) else key
    except ValueError:
        return key
