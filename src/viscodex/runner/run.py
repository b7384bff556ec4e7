"""Take rows through a stage: skip what the journal has, note every verdict, try failures again, lose nothing to a kill.

settle(stage, rows, pool, journal)          in worker processes
settle_async(stage, rows, work, journal)    as coroutines, for stages that wait for an endpoint
kept(stage, journal)                        the rows that go on, sorted by id, however many workers there were
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from viscodex.core.errors import VisCodexError
from viscodex.runner.feed import Task
from viscodex.runner.journal import Entry, Journal
from viscodex.runner.stage import Fail, Keep, Reject, Result, Tally, attempt, failure
from viscodex.runner.workers import WorkerLimits

T = TypeVar("T")
R = TypeVar("R")
Progress = Callable[[Tally], None]


class Crew(Protocol[T, R]):
    """Whoever does a stage's work: a `Pool` of processes here, or a cluster."""

    limits: WorkerLimits

    def map(
        self, rows: Iterable[Task[T]], *, on_fail: Callable[[Task[T], Fail], None] | None = None
    ) -> Iterator[tuple[Task[T], Result[R]]]: ...


@dataclass(frozen=True)
class Packing(Generic[R]):
    """How kept rows are stored in the journal."""

    pack: Callable[[R], bytes]
    unpack: Callable[[bytes], R]


def _pack_json(row: Any) -> bytes:
    return zlib.compress(json.dumps(row).encode(), 1)  # pages and programs shrink to a quarter


def _unpack_json(content: bytes) -> Any:
    return json.loads(zlib.decompress(content))


JSON: Packing[Any] = Packing(_pack_json, _unpack_json)


def settle(
    stage: str,
    rows: Iterable[tuple[str, T]],
    pool: Crew[T, R],
    journal: Journal,
    *,
    packing: Packing[R] = JSON,
    progress: Progress = lambda tally: None,
) -> Tally:
    """Give every row (id, row) its verdict. Called again after a kill, it does only what is missing."""
    desk = _Desk(stage, journal, packing, pool.limits.tries, progress)
    missing = (Task(row_id, row, tries) for row_id, row, tries in desk.missing(rows))
    for task, result in pool.map(missing, on_fail=lambda task, fail: journal.record(stage, task.id, fail)):
        desk.settle(task.id, result)
    desk.tally.check()
    return desk.tally


async def settle_async(
    stage: str,
    rows: Iterable[tuple[str, T]],
    work: Callable[[T], Awaitable[Result[R]]],
    journal: Journal,
    *,
    in_flight: int = 64,
    tries: int = 3,
    packing: Packing[R] = JSON,
    progress: Progress = lambda tally: None,
    stop: tuple[type[BaseException], ...] = (),
) -> Tally:
    """The same with coroutines. An exception listed in `stop` (a budget that is spent) ends the stage, not the row."""
    desk = _Desk(stage, journal, packing, tries, progress)
    waiting = desk.missing(rows)

    async def serve() -> None:
        for row_id, row, before in waiting:
            for count in range(before + 1, tries + 1):
                try:
                    result = await work(row)
                except stop:
                    raise
                except Exception as error:  # noqa: BLE001  # the boundary: one row must not stop the others
                    result = failure(error)
                if not isinstance(result, Fail):
                    break
                result = result.after(count)
                journal.record(stage, row_id, result)
            desk.settle(row_id, result)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(serve())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    desk.tally.check()
    return desk.tally


def kept(stage: str, journal: Journal, packing: Packing[R] = JSON) -> Iterator[tuple[str, R]]:
    """The kept rows of a stage with their ids, sorted by id."""
    for entry in journal.entries(stage, "kept"):
        yield entry.id, packing.unpack(entry.content)


class _Desk(Generic[R]):
    """Between the rows, the journal and the tally."""

    def __init__(self, stage: str, journal: Journal, packing: Packing[R], tries: int, progress: Progress) -> None:
        self.stage = stage
        self.journal = journal
        self.packing = packing
        self.tries = tries
        self.progress = progress
        self.tally = Tally(stage)
        self._ids: set[str] = set()

    def missing(self, rows: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T, int]]:
        """The rows that are not settled yet, with the tries they have behind them; the others are counted."""
        for row_id, row in rows:
            if row_id in self._ids:
                raise VisCodexError(f'two rows have the id "{row_id}"', where=f"stage {self.stage}")
            self._ids.add(row_id)
            self.tally.seen += 1
            entry = self.journal.look_up(self.stage, row_id)
            if entry is None:
                yield row_id, row, 0
            elif entry.status == "failed" and entry.tries < self.tries:
                yield row_id, row, entry.tries
            else:
                self._count(_verdict(entry))

    def settle(self, row_id: str, result: Result[R]) -> None:
        """Note a verdict and count it; a row that cannot be packed has failed."""
        content = b""
        if isinstance(result, Keep):
            packed = attempt(lambda row: Keep(self.packing.pack(row)), result.row)
            if isinstance(packed, Keep):
                content = packed.row
            else:
                assert not isinstance(packed, Reject)
                result = packed.after(self.tries)
        self.journal.record(self.stage, row_id, result, content)
        self._count(result)

    def _count(self, result: Result[R]) -> None:
        self.tally.add(result)
        self.progress(self.tally)


def _verdict(entry: Entry) -> Result[Any]:
    """A settled row as its verdict, without its content: enough to count."""
    match entry.status:
        case "kept":
            return Keep(None)
        case "rejected":
            return Reject(entry.reason, entry.detail)
        case "failed":
            return Fail(entry.reason, entry.detail, entry.tries)
