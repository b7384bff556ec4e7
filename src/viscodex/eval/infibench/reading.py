"""Reads a grading out of untyped data. What cannot be used is an error; what is only odd is told to the linter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from viscodex.core.errors import VisCodexError


class GradingError(VisCodexError):
    """A grading that cannot be used; `reason` is one word that can be counted."""

    def __init__(self, problem: str, where: str = "", reason: str = "malformed") -> None:
        super().__init__(problem, where)
        self.reason = reason


@dataclass(frozen=True)
class Oddity:
    """Something in a case that is read, but surely not meant: which check says so, where, and what it is."""

    check: str
    where: str
    detail: str


@dataclass
class Reader:
    """Typed access to untyped data. `files` are the texts that a case may name."""

    files: Mapping[str, str] = field(default_factory=dict)
    oddities: list[Oddity] = field(default_factory=list)

    def note(self, check: str, where: str, detail: str) -> None:
        self.oddities.append(Oddity(check, where, detail))

    def mapping(self, value: Any, where: str, known: Iterable[str]) -> Mapping[str, Any]:
        """A mapping; keys that we do not know are noted, and left alone."""
        if not isinstance(value, Mapping):
            raise GradingError(f"a mapping is needed, not {_kind(value)}", where)
        for key in value:
            if key not in set(known):
                self.note("unknown-key", where, f'"{key}" is not read')
        return value

    def items(self, value: Any, where: str) -> Sequence[Any]:
        if not isinstance(value, list):
            raise GradingError(f"a list is needed, not {_kind(value)}", where)
        if not value:
            raise GradingError("an empty list", where)
        return value

    def text(self, value: Any, where: str) -> str:
        """A text. Numbers and truth values, which YAML makes of unquoted words, are taken as they were written."""
        if isinstance(value, str):
            return value
        if isinstance(value, bool | int | float):
            self.note("not-text", where, f"{value!r} is no text; quote it")
            return str(value).lower() if isinstance(value, bool) else str(value)
        raise GradingError(f"a text is needed, not {_kind(value)}", where)

    def number(self, value: Any, where: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise GradingError(f"a number is needed, not {_kind(value)}", where)
        return float(value)

    def flag(self, value: Any, where: str) -> bool:
        if not isinstance(value, bool):
            raise GradingError(f"true or false is needed, not {_kind(value)}", where)
        return value

    def file(self, name: Any, where: str) -> str:
        """The text of a file that the case names."""
        path = self.text(name, where)
        if path not in self.files:
            raise GradingError(f"the file {path} is not there", where, "missing_file")
        return self.files[path]


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:60]!r}"
