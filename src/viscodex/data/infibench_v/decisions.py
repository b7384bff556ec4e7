"""What people decide, as a journal that only grows: an SQLite file, every entry on disk before it is answered for.

accept, reject   a verdict; the last one counts
edit             the record in other words, or with another grading; the last one counts, for whoever made it
undo             takes the verdict back, and leaves the edits
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from viscodex.core.infibench_v import Record
from viscodex.runner.journal import open_database

NAME = "review.sqlite"
Kind = Literal["accept", "reject", "edit", "undo"]
SCHEMA = """
CREATE TABLE IF NOT EXISTS decisions (
    number INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    candidate TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('accept', 'reject', 'edit', 'undo')),
    reason TEXT NOT NULL,
    record TEXT NOT NULL,
    gates TEXT NOT NULL
)"""


@dataclass(frozen=True)
class Decision:
    """One entry. `record` is what was looked at; `gates`: "passed", "failed" or "" (not tried) for that record."""

    reviewer: str
    candidate: str
    kind: Kind
    reason: str = ""
    record: Record | None = None
    gates: str = ""
    time: str = ""
    number: int = 0

    def row(self) -> dict[str, Any]:
        """As plain data, for an export."""
        record = self.record.model_dump(mode="json", exclude_defaults=True) if self.record else None
        names = ("number", "time", "reviewer", "candidate", "kind", "reason", "gates")
        return {name: getattr(self, name) for name in names} | {"record": record}


@dataclass(frozen=True)
class Standing:
    """Where a reviewer stands with a candidate."""

    verdict: Literal["accept", "reject", ""] = ""
    reason: str = ""
    record: Record | None = None
    """As edited, or as it was when the verdict was given."""
    gates: str = ""


class Decisions:
    """The journal of a queue. Several desks may write to it, one after another or side by side."""

    def __init__(self, path: Path) -> None:
        self._database = open_database(path, SCHEMA, synchronous="FULL")

    def add(self, decision: Decision) -> None:
        """Note a decision; when this returns, neither a kill nor a power cut costs it."""
        record = decision.record.model_dump_json(exclude_defaults=True) if decision.record else ""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        values = (now, decision.reviewer, decision.candidate, decision.kind, decision.reason, record, decision.gates)
        columns = "time, reviewer, candidate, kind, reason, record, gates"
        self._database.execute(f"INSERT INTO decisions ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def __iter__(self) -> Iterator[Decision]:
        """In the order in which they were made."""
        query = "SELECT reviewer, candidate, kind, reason, record, gates, time, number FROM decisions ORDER BY number"
        for reviewer, name, kind, reason, record, gates, when, number in self._database.execute(query).fetchall():
            read = Record.model_validate(json.loads(record)) if record else None
            yield Decision(reviewer, name, kind, reason, read, gates, when, number)

    def standings(self) -> dict[str, dict[str, Standing]]:
        """Candidate → reviewer → where that one stands."""
        found: dict[str, dict[str, Standing]] = {}
        for one in self:
            by_reviewer = found.setdefault(one.candidate, {})
            before = by_reviewer.get(one.reviewer, Standing())
            match one.kind:
                case "edit":
                    by_reviewer[one.reviewer] = Standing(before.verdict, before.reason, one.record, one.gates)
                case "undo":
                    by_reviewer[one.reviewer] = Standing("", "", before.record, before.gates)
                case "accept" | "reject" as verdict:
                    record = one.record or before.record
                    by_reviewer[one.reviewer] = Standing(verdict, one.reason, record, one.gates)
        return found

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
