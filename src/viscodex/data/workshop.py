"""Where a build keeps what it knows: `OUT.work`, with the journal, the pictures, and every reply that was paid for.

It outlives the build: with it, a changed setting costs only what it changes, and the parts of --shard are joined.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viscodex.core.rundir import write_json
from viscodex.core.sample import Sample
from viscodex.data.packing import Pictures
from viscodex.runner.cache import Cache
from viscodex.runner.journal import Entry, Journal
from viscodex.runner.run import Packing
from viscodex.runner.shards import Shard
from viscodex.runner.stage import Keep

JOURNAL, PICTURES, REPLIES, BEGUN = "journal.sqlite", "pictures.sqlite", "replies.sqlite", "begun.json"
MARKS = "marks"
LEDGER = "data"


@dataclass(frozen=True)
class Workshop:
    """One build's own files, open. One process at a time."""

    folder: Path
    journal: Journal
    pictures: Pictures
    replies: Cache
    packing: Packing[Sample]

    def sample(self, key: str, row_id: str) -> Sample:
        """The row as a stage has kept it."""
        entry = self.journal.look_up(key, row_id)
        assert entry is not None
        return self.packing.unpack(entry.content)

    def verdict(self, key: str, row_id: str) -> Entry:
        """What a stage that is done has said of a row."""
        entry = self.journal.look_up(key, row_id)
        assert entry is not None, f"{row_id} was never at {key}"
        return entry

    def has_mark(self, name: str) -> bool:
        """Whether something that is done once, as a whole, is done."""
        return self.journal.look_up(MARKS, name) is not None

    def mark(self, name: str) -> None:
        self.journal.record(MARKS, name, Keep(None))


@contextmanager
def open_workshop(folder: Path, shard: Shard, identity: Mapping[str, Any]) -> Iterator[Workshop]:
    """Open a build's files or begin them, marked with what is built, and which part of it."""
    with (
        Journal(folder / JOURNAL) as journal,
        Pictures(folder / PICTURES) as pictures,
        Cache(folder / REPLIES) as replies,
    ):
        if not (folder / BEGUN).exists():
            write_json(folder / BEGUN, time.time())
        shard.mark(folder, identity)
        yield Workshop(folder, journal, pictures, replies, pictures.packing())


def workshop_path(out: Path) -> Path:
    """`OUT.work`, beside OUT."""
    return out.with_name(out.name + ".work")
