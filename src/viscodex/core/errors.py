"""Errors that read like a small page: the problem, where it is, and what to type next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 300  # characters of a name that came from a file


def visible(text: str, longest: int = LONGEST) -> str:
    """Text from a file or a path, safe to print: on one line, control characters as escapes, not too long."""
    if len(text) > longest:
        text = f"{text[: longest * 3 // 4]} … {text[-longest // 8 :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class VisCodexError(Exception):
    """Something a user can act on. Printed without a traceback; the command ends with `exit_code`.

    `where` and `hint` are printed on one line each; `problem` may have several.
    """

    exit_code = 1

    def __init__(self, problem: str, where: str = "", hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        lines = [visible(line, 4 * LONGEST) for line in self.problem.split("\n")]
        if self.where:
            lines.append(f"  where: {visible(self.where)}")
        if self.hint:
            lines.append(f"  try:   {visible(self.hint)}")
        return "\n".join(lines)


class UsageError(VisCodexError):
    """The command line or a recipe says something that cannot be meant (exit code 2)."""

    exit_code = 2


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean "lambda"?`, or the known words when nothing is close; nothing when there are none."""
    options = sorted(set(known))
    close = difflib.get_close_matches(word, options, n=2, cutoff=0.55)
    if close:
        return "did you mean " + " or ".join(f'"{c}"' for c in close) + "?"
    return "known: " + ", ".join(options) if options else ""
