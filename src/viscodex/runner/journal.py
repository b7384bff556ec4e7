"""Which rows a stage has done, and how they fared: an SQLite file that survives `kill -9` at any moment.

A verdict and the row it keeps are one transaction, so a row is either done or not yet begun. Kept and rejected are
final; failed rows count their tries. WAL with synchronous=NORMAL: a killed process loses nothing, a power cut at most
the last moments, which are then done again.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from viscodex.core.errors import UsageError, VisCodexError, visible
from viscodex.runner.stage import Fail, Keep, Reject

Status = Literal["kept", "rejected", "failed"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    stage TEXT NOT NULL,
    id BLOB NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('kept', 'rejected', 'failed')),
    tries INTEGER NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (stage, id)
)"""
# What is final stays: only a failed row may get another verdict.
RECORD = """
INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (stage, id) DO UPDATE SET status = excluded.status, tries = excluded.tries, reason = excluded.reason,
    detail = excluded.detail, content = excluded.content
WHERE rows.status = 'failed'"""
REST = "id, status, tries, reason, detail, content"
SELECT = f"SELECT {REST} FROM rows WHERE stage = ?"


@dataclass(frozen=True)
class Entry:
    """What the journal knows about a row; `content` is the kept row, as its stage packed it."""

    id: str
    status: Status
    tries: int
    reason: str
    detail: str
    content: bytes


class Journal:
    """One process at a time writes a journal; a second one is refused. Used from the thread that opened it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(path)
        try:
            self._database = open_database(path, SCHEMA, synchronous="NORMAL")
        except BaseException:
            os.close(self._lock)
            raise

    def look_up(self, stage: str, row_id: str) -> Entry | None:
        """What became of a row; None: it was never tried to the end."""
        found = self._database.execute(f"{SELECT} AND id = ?", (stage, _key(row_id))).fetchone()
        return _entry(found) if found else None

    def entries(self, stage: str, status: Status | None = None) -> Iterator[Entry]:
        """The rows of a stage sorted by id, so that what is made of them does not depend on who was ready first."""
        last, beyond = b"", ">="
        query = SELECT + " AND id {} ? AND status = coalesce(?, status) ORDER BY id LIMIT 100"
        while page := self._database.execute(query.format(beyond), (stage, last, status)).fetchall():
            yield from map(_entry, page)
            last, beyond = page[-1][0], ">"

    def record(self, stage: str, row_id: str, result: Keep[Any] | Reject | Fail, content: bytes = b"") -> None:
        """Note a verdict; when this returns, a kill no longer costs it. A final verdict that is there stands."""
        match result:
            case Keep():
                values = ("kept", 1, "", "")
            case Reject(reason, detail):
                values = ("rejected", 1, visible(reason), visible(detail, 4000))
            case Fail(reason, detail, tries):
                values = ("failed", tries, visible(reason), visible(detail, 4000))
        self._database.execute(RECORD, (stage, _key(row_id), *values, content))

    def counts(self, stage: str) -> Counter[str]:
        """Rows by status."""
        query = "SELECT status, count(*) FROM rows WHERE stage = ? GROUP BY status"
        return Counter(dict(self._database.execute(query, (stage,)).fetchall()))

    def forget_failed(self, stage: str) -> int:
        """Give the failed rows of a stage all their tries again; how many there were."""
        return self._database.execute("DELETE FROM rows WHERE stage = ? AND status = 'failed'", (stage,)).rowcount

    def forget(self, stage: str) -> None:
        """Drop all verdicts of a stage that is judged as a whole, and again when any row of it may have changed."""
        self._database.execute("DELETE FROM rows WHERE stage = ?", (stage,))

    def take_over(self, other: Path, stages: Mapping[str, str]) -> None:
        """Copy the stages of another journal, each under its new name; verdicts that are here stand."""
        self._database.execute("ATTACH ? AS other", (str(other),))
        try:
            for theirs, ours in stages.items():
                query = f"INSERT OR IGNORE INTO rows SELECT ?, {REST} FROM other.rows WHERE stage = ?"
                self._database.execute(query, (ours, theirs))
        finally:
            self._database.execute("DETACH other")

    def stages(self) -> list[str]:
        """The names of all stages that have verdicts."""
        return [name for (name,) in self._database.execute("SELECT DISTINCT stage FROM rows ORDER BY stage")]

    def close(self) -> None:
        """Let others in."""
        self._database.close()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_database(path: Path, schema: str, *, synchronous: str) -> sqlite3.Connection:
    """An SQLite file in WAL mode with its tables, every statement a transaction unless one is begun."""
    database = None
    try:
        database = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {synchronous}")
        database.executescript(schema)
    except sqlite3.Error as error:
        if database is not None:
            database.close()
        raise VisCodexError(
            f"cannot open {path.name}: {error}", where=str(path), hint="a local disk with room, or another folder"
        ) from error
    return database


def _lock(path: Path) -> int:
    """Held by an open file: the kernel lets go of it when the process ends, however it ends."""
    handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise UsageError("another run is at work on this journal", where=str(path), hint="wait for it") from None
    return handle


def _key(row_id: str) -> bytes:
    """Bytes, since an id out of a file may hold half of a surrogate pair, which SQLite's text cannot."""
    return row_id.encode("utf-8", "surrogatepass")


def _entry(row: tuple[bytes, Status, int, str, str, bytes]) -> Entry:
    return Entry(row[0].decode("utf-8", "surrogatepass"), *row[1:])
