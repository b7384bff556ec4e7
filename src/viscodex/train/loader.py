"""Batches ready before they are needed: threads decode, resize and tokenize the next steps' samples.

Threads are enough: decoding, resizing and tokenizing all release Python's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from viscodex.train.batch import Batch, Loaded, collate, load
from viscodex.train.encode import BadSample, Encoder
from viscodex.train.order import Rows
from viscodex.train.pack import pack_step
from viscodex.train.store import Prepared, Skipped


@dataclass(frozen=True)
class Step:
    """This rank's micro-batches of one step, and the samples that turned out bad when they were decoded."""

    number: int
    batches: list[Batch]
    skipped: list[Skipped]


@dataclass(frozen=True)
class Loader:
    """Loads the packs of one rank."""

    data: Prepared
    encoder: Encoder
    batch_tokens: int
    rank: int
    ranks: int
    workers: int
    ahead: int

    def steps(self, rows_of: Callable[[int], Rows], start: int, stop: int) -> Iterator[Step]:
        """Steps `start` … `stop`; `rows_of` gives the samples of a step, the same on every rank."""
        with ThreadPoolExecutor(self.workers, "load") as pool:
            waiting: deque[tuple[int, list[list[Future[Loaded | Skipped]]]]] = deque()
            upcoming = iter(range(start, stop))
            try:
                while True:
                    while len(waiting) <= self.ahead and (number := next(upcoming, None)) is not None:
                        packs = self.packs(rows_of(number))
                        waiting.append((number, [[pool.submit(self._load, row) for row in pack] for pack in packs]))
                    if not waiting:
                        return
                    yield self._collate(*waiting.popleft())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def packs(self, rows: Rows) -> list[list[int]]:
        """This rank's packs of row numbers."""
        lengths = [int(n) for n in self.data.tokens[rows]]
        mine = pack_step(lengths, self.batch_tokens, self.ranks)[self.rank]
        return [[int(rows[place]) for place in pack] for pack in mine]

    def _collate(self, number: int, packs: list[list[Future[Loaded | Skipped]]]) -> Step:
        done = [[future.result() for future in pack] for pack in packs]
        batches = [collate([s for s in pack if isinstance(s, Loaded)], self.encoder) for pack in done]
        return Step(number, batches, [s for pack in done for s in pack if isinstance(s, Skipped)])

    def _load(self, number: int) -> Loaded | Skipped:
        row = self.data.read(number)
        try:
            return load(row, self.encoder)
        except BadSample as bad:
            return Skipped(row.id, row.kind, bad.reason, bad.detail)
