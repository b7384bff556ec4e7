"""Answers for many at once from one model: a queue, a thread that computes, batches, and readers who may leave."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Sample
from viscodex.model.decoding import Row
from viscodex.model.generate import Completion, Sampling
from viscodex.model.local import Local
from viscodex.serve.faults import ApiError, bad_request
from viscodex.serve.memory import give_back

IDLE_S = 1.0
"""After so long without work, memory is given back."""


@dataclass(frozen=True)
class Piece:
    """Some text of one of a job's answers."""

    index: int
    text: str


Event = Piece | Completion | ApiError


@dataclass(eq=False)
class Job:
    """A request on its way. Its events come to the event loop it was made in.

    They are pieces, when it streams, and a completion for each answer; or an error, and then nothing more.
    """

    sample: Sample
    sampling: Sampling
    streams: bool = False
    left: threading.Event = field(default_factory=threading.Event)
    began: float = field(default_factory=time.monotonic)
    events: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    on_leave: Callable[[], object] = lambda: None
    """What else ends it, for whoever does not look at `left`."""

    def put(self, event: Event) -> None:
        """From any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
            self.loop.call_soon_threadsafe(self.events.put_nowait, event)

    def leave(self) -> None:
        """Nobody waits for it any more."""
        self.left.set()
        self.on_leave()


class Observer(Protocol):
    """Who is told what the engine does, from its thread."""

    def batch(self, rows: int) -> None: ...

    def fault(self, error: Exception) -> None: ...


class Writer(Protocol):
    """Who answers jobs for one model: `Engine` in this process, `Upstream` on another server."""

    name: str

    @property
    def is_alive(self) -> bool: ...

    @property
    def waiting(self) -> int:
        """Answers that are asked for and not begun."""
        ...

    @property
    def running(self) -> int: ...

    def submit(self, job: Job) -> None: ...

    def drain(self) -> None:
        """Take nothing more."""
        ...

    def cut_off(self) -> None:
        """End what is being written, and say so to those who wait for it."""
        ...

    def close(self) -> None: ...


class Engine:
    """One thread that writes answers batch by batch, oldest first; what asks for pictures and what does not, apart.

    Requests that come while a batch is written wait for the next one.
    """

    def __init__(self, local: Local, observer: Observer | None = None) -> None:
        self.name = local.name.partition("/")[2]
        self.observer = observer
        self._local = local
        self._jobs: deque[Job] = deque()
        self._ready: list[tuple[Row, Job]] = []
        self._at_work: list[Job] = []
        self._is_closing = self._is_used = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive() and not self._is_closing

    @property
    def running(self) -> int:
        """Answers being written."""
        return len(self._at_work)

    @property
    def waiting(self) -> int:
        """Answers that are asked for and not begun."""
        return sum(job.sampling.n for job in list(self._jobs)) + len(self._ready)

    @property
    def together(self) -> int:
        """Answers in a batch."""
        return self._local.batch_size

    def submit(self, job: Job) -> None:
        with self._changed:
            if self._is_closing:
                job.put(stopping())
                return
            self._jobs.append(job)
            self._changed.notify()

    def drain(self) -> None:
        """Take nothing more; what waits is refused, what is being written goes on."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()

    def cut_off(self) -> None:
        """End what is being written, and say so to those who wait for it."""
        for job in {id(job): job for job in list(self._at_work)}.values():
            job.put(stopping())
            job.leave()

    def close(self) -> None:
        """End, and everything that is under way with it."""
        self.drain()
        while self._thread.is_alive():  # a batch may have been on its way to its work
            self.cut_off()
            self._thread.join(0.1)

    def _work(self) -> None:
        while True:
            with self._changed:
                if self._is_used and not self._changed.wait_for(self._has_work, IDLE_S):
                    self._is_used = False
                    give_back()
                self._changed.wait_for(self._has_work)
                jobs, self._jobs = list(self._jobs), deque()
            if self._is_closing:
                for job in {id(job): job for job in (*jobs, *(job for _, job in self._ready))}.values():
                    job.put(stopping())
                return
            for job in jobs:
                self._expand(job)
            if batch := self._next_batch():
                self._answer(batch)

    def _has_work(self) -> bool:
        return bool(self._jobs or self._ready or self._is_closing)

    def _expand(self, job: Job) -> None:
        """A row for each of a job's answers."""
        if job.left.is_set():
            return
        try:
            rows = self._local.rows(job.sample, job.sampling)
        except VisCodexError as error:
            job.put(unanswerable(error.problem))
        except Exception as error:  # noqa: BLE001  # the thread outlives a fault, which is this job's
            self._fault([job], error)
        else:
            for row in rows:
                row.left = job.left
                if job.streams:
                    row.put = _speaker(job, row.question.index)
                self._ready.append((row, job))

    def _next_batch(self) -> list[tuple[Row, Job]]:
        self._ready = [(row, job) for row, job in self._ready if not job.left.is_set()]
        if not self._ready:
            return []
        has_pictures = bool(self._ready[0][0].question.sample.images)
        alike = [pair for pair in self._ready if bool(pair[0].question.sample.images) is has_pictures]
        batch = alike[: self._local.batch_size]
        chosen = {id(row) for row, _ in batch}
        self._ready = [pair for pair in self._ready if id(pair[0]) not in chosen]
        return batch

    def _answer(self, batch: list[tuple[Row, Job]]) -> None:
        owner = {id(row): job for row, job in batch}
        self._at_work, self._is_used = [job for _, job in batch], True
        if self.observer:
            self.observer.batch(len(batch))
        try:
            for row, completion in self._local.answer([row for row, _ in batch]):
                failed = completion.finish == "error"
                owner[id(row)].put(unanswerable(completion.reason) if failed else completion)
        except Exception as error:  # noqa: BLE001  # the thread outlives a fault, which is this batch's
            self._fault(self._at_work, error)
        finally:
            self._at_work = []

    def _fault(self, jobs: list[Job], error: Exception) -> None:
        if self.observer:
            self.observer.fault(error)
        for job in jobs:
            job.put(ApiError(500, f"a fault in the server: {type(error).__name__}", "internal_error"))


def stopping() -> ApiError:
    return ApiError(503, "the server is stopping", "stopping")


def unanswerable(reason: str) -> ApiError:
    """The model cannot be asked this: too long, a token it reserves, a picture it cannot use."""
    if reason.startswith("out of memory"):
        return ApiError(503, reason.partition("\n")[0], "out_of_memory")
    return bad_request(reason, "unanswerable", "messages")


def _speaker(job: Job, index: int) -> Callable[[str], None]:
    return lambda text: job.put(Piece(index, text))
