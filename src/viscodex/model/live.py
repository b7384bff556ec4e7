"""Code out of an answer that is still being written."""

from __future__ import annotations

from dataclasses import dataclass

from viscodex.core.sample import Kind
from viscodex.model.extract import extract, extract_open


@dataclass(frozen=True)
class Ending:
    """What is left to show when an answer is complete. When `is_revised`, `rest` is the whole code, to show anew."""

    rest: str
    is_revised: bool = False


class Live:
    """Feed it an answer piece by piece; it gives the code line by line, and at the end what `extract` gives.

    A page is certain as soon as it begins. The longest of several programs is known only at the end: if a later one
    wins, what was shown is revised.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._answer = ""
        self._shown = ""
        self._is_stuck = False

    @property
    def is_certain(self) -> bool:
        """Whether what is shown is never revised."""
        return self.kind == "html"

    def feed(self, piece: str) -> str:
        """The code that became known with this piece."""
        self._answer += piece
        if "\n" not in piece or self._is_stuck:
            return ""
        code = extract_open(self._answer[: self._answer.rindex("\n")], self.kind)
        self._is_stuck = not code.startswith(self._shown)
        if self._is_stuck:
            return ""
        new = code[len(self._shown) :]
        self._shown = code
        return new

    def close(self) -> Ending:
        """The answer is complete."""
        code = extract(self._answer, self.kind)
        if code.startswith(self._shown):
            return Ending(code[len(self._shown) :])
        return Ending(code, is_revised=True)
