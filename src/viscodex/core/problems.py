"""Faults found in one look, so that a user can mend them all before the next try."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from viscodex.core.errors import VisCodexError, visible

SHOWN_PER_KIND = 3


@dataclass(frozen=True)
class Problem:
    """One fault: `what` is wrong (the same words for every case of it), `where` (the case), `hint` (what to do)."""

    what: str
    where: str = ""
    hint: str = ""


def summarize(problems: Iterable[Problem]) -> list[str]:
    """One line per kind of fault: how many cases, the first few of them, and what to do."""
    kinds: dict[str, list[Problem]] = {}
    for problem in problems:
        kinds.setdefault(problem.what, []).append(problem)
    return [_line(what, cases) for what, cases in kinds.items()]


def refuse(problems: Iterable[Problem], where: str = "") -> None:
    """Raise one VisCodexError that lists every problem; return if there is none."""
    lines = summarize(problems)
    if not lines:
        return
    if len(lines) == 1:
        raise VisCodexError(lines[0], where=where)
    raise VisCodexError(f"{len(lines)} problems:\n" + "\n".join(f"  - {line}" for line in lines), where=where)


def _line(what: str, cases: list[Problem]) -> str:
    places = [visible(case.where) for case in cases if case.where]
    line = visible(what)
    if len(cases) > 1:
        line += f" ({len(cases)} cases)"
    if places:
        line += ": " + "; ".join(places[:SHOWN_PER_KIND]) + ("; …" if len(places) > SHOWN_PER_KIND else "")
    hints = dict.fromkeys(case.hint for case in cases if case.hint)
    return line + "".join(f" → {visible(hint)}" for hint in hints)
