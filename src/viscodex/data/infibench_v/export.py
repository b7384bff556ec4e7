"""From decisions to a suite: what was accepted and by nobody rejected, as the table that `viscodex eval` reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from viscodex.core.infibench_v import CATEGORIES, Record
from viscodex.core.rundir import JsonLines, atomic_write, partial_path, publish, remove_tree, require_free, write_json
from viscodex.data.infibench_v.agreement import agreements
from viscodex.data.infibench_v.candidate import Candidate
from viscodex.data.infibench_v.decisions import NAME, Decisions, Standing
from viscodex.data.infibench_v.desk import read_candidates

TABLE, REVIEW, LOG = "questions.jsonl", "review.json", "decisions.jsonl"


def export(folder: Path, out: Path, *, gated: bool = False) -> dict[str, Any]:
    """Write the suite; what OUT/review.json says. With `gated`, only what has passed the gates as it was accepted."""
    require_free(out)
    candidates = read_candidates(folder)
    with Decisions(folder / NAME) as decisions:
        standings, log = decisions.standings(), [one.row() for one in decisions]
    partial = partial_path(out)
    remove_tree(partial)
    (partial / "pictures").mkdir(parents=True)
    left: Counter[str] = Counter()
    taken: list[tuple[Candidate, Record]] = []
    for one in candidates:
        record = _accepted(one, standings.get(one.id, {}), gated, left)
        if record is not None:
            taken.append((one, record))
    with JsonLines(partial / TABLE) as table:
        for _, record in taken:
            table.append(record.model_dump(mode="json", exclude_defaults=True))
            for name in record.images:
                atomic_write(partial / name, (folder / name).read_bytes())
    with JsonLines(partial / LOG) as table:
        for row in log:
            table.append(row)
    facts = {
        "candidates": len(candidates),
        "accepted": len(taken),
        "left_out": dict(left),
        "categories": {name: sum(record.category == name for _, record in taken) for name in CATEGORIES},
        "in_the_words_of_the_post": sum(record.question == one.record.question for one, record in taken),
        "agreement": [asdict(one) for one in agreements(standings)],
    }
    credits = sorted(f"- {one.attribution}{_changed(one, record)}\n" for one, record in taken)
    atomic_write(partial / "ATTRIBUTION.md", "# Attribution\n\n" + "".join(credits))
    write_json(partial / REVIEW, facts)
    publish(partial, out)
    return facts


def _accepted(one: Candidate, standings: dict[str, Standing], gated: bool, left: Counter[str]) -> Record | None:
    """The record as the last of those who accepted it left it; else the reason is counted."""
    verdicts = {standing.verdict for standing in standings.values()} - {""}
    if not verdicts:
        left["not_judged"] += 1
        return None
    if "reject" in verdicts:
        left["disagreed" if "accept" in verdicts else "rejected"] += 1
        return None
    accepted = [standing for standing in standings.values() if standing.verdict == "accept"]
    if gated and not all(standing.gates == "passed" for standing in accepted):
        left["gates_not_passed"] += 1
        return None
    return accepted[-1].record or one.record


def _changed(one: Candidate, record: Record) -> str:
    """The licence wants to be told what was changed."""
    parts: Iterator[str] = (
        words
        for words, is_changed in (
            ("the question in other words", record.question != one.record.question),
            ("the answer changed", record.reference_answer != one.record.reference_answer),
        )
        if is_changed
    )
    return "".join(f", {part}" for part in parts)
