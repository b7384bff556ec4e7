"""The review desk without its page: the queue, what a reviewer sees of a candidate, and decisions."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.infibench_v import Record
from viscodex.core.rundir import JsonLines, read_json
from viscodex.data.infibench_v.agreement import agreements
from viscodex.data.infibench_v.build import CANDIDATES, FUNNEL
from viscodex.data.infibench_v.candidate import Candidate
from viscodex.data.infibench_v.decisions import NAME, Decision, Decisions, Kind, Standing

Trial = Callable[[Record, Path], dict[str, Any]]
"""Runs a record's grading on its own answers: {"passes", "answers", "findings", "unavailable"} (eval's gates)."""

EDITABLE = (*("question", "category", "language", "reference_answer", "grading", "files", "wrong_answers", "stub"),)
REASONS = (
    "picture not needed",
    "not answerable",
    "many right answers",
    "outdated",
    "answer is wrong",
    "too easy",
    "not about code",
    "personal data",
)


def read_candidates(folder: Path) -> list[Candidate]:
    """The queue of a build; UsageError for a folder that holds none."""
    if not (folder / CANDIDATES).is_file():
        raise UsageError(
            "no candidates here", where=str(folder), hint="viscodex data infibench-v build --dump … --out …"
        )
    return [Candidate.model_validate(row) for row in JsonLines(folder / CANDIDATES)]


class RefusedError(VisCodexError):
    """What a reviewer asked for cannot be done; the problem says why."""


class Desk:
    """One reviewer at a queue. Others' verdicts are not shown: two who judge must not know of each other."""

    def __init__(self, folder: Path, reviewer: str, trial: Trial) -> None:
        if not reviewer.strip() or len(reviewer) > 60:
            raise UsageError("a reviewer has a name, of 60 characters at most", hint="--reviewer NAME")
        self.folder = folder
        self.reviewer = reviewer.strip()
        self.candidates = {one.id: one for one in read_candidates(folder)}
        self.reasons = REASONS
        self._wanted: dict[str, int] = read_json(folder / FUNNEL)["wanted"]
        self._trial = trial
        self._tried: dict[str, str] = {}
        self._decisions = Decisions(folder / NAME)
        self._lock = threading.Lock()

    def overview(self) -> dict[str, Any]:
        """The queue with where this reviewer stands, and how many each category has and wants."""
        standings = self._mine()
        rows = [self._row(name, one) for name, one in standings.items()]
        accepted = Counter(row["category"] for row in rows if row["verdict"] == "accept")
        counts = {name: {"accepted": accepted[name], "wanted": wanted} for name, wanted in self._wanted.items()}
        return {"reviewer": self.reviewer, "reasons": self.reasons, "queue": rows, "categories": counts}

    def _row(self, name: str, standing: Standing) -> dict[str, Any]:
        original = self.candidates[name].record
        record = standing.record or original
        facts = {"category": record.category, "language": record.language, "edited": record != original}
        return {"id": name, "verdict": standing.verdict, **facts}

    def candidate(self, name: str) -> dict[str, Any]:
        """All that the page shows of one."""
        one, standing = self._known(name), self._mine()[name]
        record = standing.record or one.record
        return {
            "id": name,
            "record": record.model_dump(mode="json", include=set(EDITABLE)),
            "original": one.record.question,
            "images": len(one.record.images),
            "paraphrase": one.paraphrase,
            "paraphrase_problem": one.paraphrase_problem,
            "needed": one.needed,
            "facts": one.facts,
            "source": one.record.source.model_dump(mode="json"),
            "verdict": standing.verdict,
            "reason": standing.reason,
            "gates": standing.gates,
        }

    def picture(self, name: str, number: int) -> Path:
        images = self._known(name).record.images
        if not 0 <= number < len(images):
            raise RefusedError(f"{name} has no picture {number}")
        path = self.folder / images[number]
        if not path.resolve().is_relative_to(self.folder.resolve()) or not path.is_file():
            raise RefusedError(f"the picture {images[number]} is not there")
        return path

    def decide(self, name: str, kind: Kind, reason: str = "", changes: Mapping[str, Any] | None = None) -> None:
        """Journal a decision. An accepted record must be one; a rejection has a reason."""
        record = self._changed(name, changes or {})
        if kind == "reject" and not reason.strip():
            raise RefusedError("a rejection needs a reason")
        gates = self._tried.get(record.model_dump_json(), "")
        with self._lock:
            self._decisions.add(Decision(self.reviewer, name, kind, reason.strip()[:1000], record, gates))

    def try_out(self, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Run the grading as it stands on the page."""
        record = self._changed(name, changes)
        found = self._trial(record, self.folder)
        passes = found["passes"] and not found["unavailable"]
        self._tried[record.model_dump_json()] = "passed" if passes else "failed"
        return found

    def agreement(self) -> list[dict[str, Any]]:
        """Of all reviewers so far: how many they have in common, and κ; never who said what."""
        with self._lock:
            found = agreements(self._decisions.standings())
        return [
            {"reviewers": one.reviewers, "both": one.both, "agreed": one.agreed, "kappa": one.kappa} for one in found
        ]

    def close(self) -> None:
        self._decisions.close()

    def _known(self, name: str) -> Candidate:
        if name not in self.candidates:
            raise RefusedError(f"no candidate {name[:80]}")
        return self.candidates[name]

    def _mine(self) -> dict[str, Standing]:
        with self._lock:
            standings = self._decisions.standings()
        return {name: standings.get(name, {}).get(self.reviewer, Standing()) for name in self.candidates}

    def _changed(self, name: str, changes: Mapping[str, Any]) -> Record:
        """The record as it stands, with changes. Whose post it is and what it shows cannot be changed."""
        one = self._known(name)
        record = self._mine()[name].record or one.record
        if unknown := set(changes) - set(EDITABLE):
            raise RefusedError(f"{min(unknown)} cannot be changed")
        try:
            values = json.loads(record.model_dump_json()) | dict(changes)
            return Record.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            raise RefusedError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
