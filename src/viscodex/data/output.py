"""A category that is done, as files: its shards, what was rejected and why, and what was measured on the way.

Times (an execution's seconds, when a model answered) are no part of a row: two builds of one recipe would differ. They
stand in `measured/`, by id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viscodex.core.row import Row, to_row
from viscodex.core.sample import Sample
from viscodex.data.table import FEATURES, MEASURED, REJECTED, Table
from viscodex.data.walk import Walked
from viscodex.data.workshop import Workshop
from viscodex.runner.shards import bucket

PARTS = 1 << 32
SECONDS = "_s"  # how the name of a measured time ends


@dataclass
class Made:
    """What a category came to, counted while it was written."""

    walked: Walked
    rows: Counter[str] = field(default_factory=Counter)  # per split
    pictures: int = 0
    licences: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    generators: Counter[tuple[str, str]] = field(default_factory=Counter)  # (model, prompt version)
    attributions: Counter[str] = field(default_factory=Counter)
    times: list[str] = field(default_factory=list)  # first and last answer of a model
    example: Row | None = None

    @property
    def category(self) -> str:
        return self.walked.plan.category

    def count(self, row: Row, time: str) -> None:
        self.rows[row["split"]] += 1
        self.pictures += len(row["images"])
        self.licences[row["license"]] += 1
        self.sources[row["source"]] += 1
        self.attributions[row["attribution"]] += 1
        self.generators[row["generator"]["model"], row["generator"]["prompt_version"]] += 1
        if time:
            self.times = [min([time, *self.times[:1]]), max([time, *self.times[1:]])]
        self.example = self.example or row


def write_category(walked: Walked, workshop: Workshop, folder: Path, splits: Mapping[str, float]) -> Made:
    """Write `data/`, `rejected/` and `measured/` of one category into `folder`."""
    made, category = Made(walked), walked.plan.category
    with ExitStack() as stack:
        tables: dict[str, Table] = {}
        measured = stack.enter_context(Table(folder / "measured" / category, "measured", MEASURED))
        for sample in kept_samples(walked, workshop):
            row = to_row(sample, split_of(sample.id, splits))
            facts = take_measured(row)
            made.count(row, facts.get("generator_time", ""))
            if row["split"] not in tables:
                table = Table(folder / "data" / category, row["split"], FEATURES)
                tables[row["split"]] = stack.enter_context(table)
            tables[row["split"]].write(row)
            if facts:
                measured.write({"id": row["id"], "measured": facts})
    with Table(folder / "rejected" / category, "rejected", REJECTED) as rejected:
        for lost in lost_rows(walked, workshop):
            rejected.write(lost)
    assert made.rows.total() == len(walked.kept)
    assert rejected.rows == len(walked.lost)
    return made


def kept_samples(walked: Walked, workshop: Workshop) -> Iterator[Sample]:
    """The kept samples, sorted by id."""
    return (workshop.sample(walked.content_key, row_id) for row_id in walked.kept)


def lost_rows(walked: Walked, workshop: Workshop) -> Iterator[dict[str, str]]:
    """What was rejected or failed, where and why, sorted by id."""
    for row_id in sorted(walked.lost):
        key = walked.lost[row_id]
        entry = workshop.verdict(key, row_id)
        stage = key.split("/")[1]
        yield {
            "id": row_id,
            "status": entry.status,
            "stage": stage,
            "reason": entry.reason,
            "detail": entry.detail,
        }


def split_of(row_id: str, splits: Mapping[str, float]) -> str:
    """The split of a row by hash of its id, so that a row never moves when others come or go."""
    place, end = bucket(f"split:{row_id}", PARTS) / PARTS, 0.0
    for split, share in splits.items():
        end += share
        if place < end:
            return split
    return list(splits)[-1]


def take_measured(row: Row) -> dict[str, Any]:
    """Take the times out of a row."""
    names = [name for name in row["checks"] if name.endswith(SECONDS)]
    facts = {name: row["checks"].pop(name) for name in names}
    if row["generator"]["time"]:
        facts["generator_time"], row["generator"]["time"] = row["generator"]["time"], ""
    return facts
