"""A pool of worker processes of ours, one row in flight in each: what kills or hangs a worker costs only its own row.

Workers are fresh interpreters (so threads and CUDA in the parent do no harm), each the leader of its own process group,
and none of that group outlives the parent: see `worker.die_with_parent`. Ctrl-C reaches the parent alone.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from viscodex.core.errors import VisCodexError
from viscodex.runner.feed import Feed, Task
from viscodex.runner.frames import receive, send
from viscodex.runner.stage import Fail, Result, failure
from viscodex.runner.worker import Order, Ready

START = """import sys, json
sys.path[:] = json.loads(sys.argv[1])
from viscodex.runner.worker import main
main()"""
START_TRIES = 3  # in a row, before the pool gives up
SEND_S = 60.0  # a worker reads its row at once, or is not well
GRACE_S = 10.0  # for closing a browser

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class WorkerLimits:
    """Seconds for a row and for a start, bytes of private memory (0: no limit), rows before a fresh process (0: never).

    `tries`: how often a row may fail before it is given up.
    """

    row_s: float = 300.0
    start_s: float = 120.0
    memory: int = 0
    rows: int = 0
    tries: int = 3


class Pool(Generic[T, R]):
    """`work(resource, row)` in other processes. `work` and `open` are importable functions, or picklable objects.

    `open()` makes what is dear (a browser, a zygote) once per process; its `close` is called at the end, if it has one.
    Used by one thread at a time.
    """

    def __init__(
        self,
        work: Callable[[Any, T], Result[R]],
        *,
        open: Callable[[], Any] | None = None,
        processes: int = 0,
        limits: WorkerLimits = WorkerLimits(),
    ) -> None:
        self.limits = limits
        self.processes = processes or os.cpu_count() or 1
        self._order = Order(work, open, limits.memory)
        self._workers: list[_Worker[T]] = []
        self._leaving: list[_Worker[T]] = []
        self._selector = selectors.DefaultSelector()
        self._failed_starts = 0
        # PDEATHSIG comes when the *thread* that started a process ends: this one lives as long as the pool.
        self._starter = ThreadPoolExecutor(1, "workers")

    def map(
        self, rows: Iterable[Task[T]], *, ordered: bool = False, on_fail: Callable[[Task[T], Fail], None] | None = None
    ) -> Iterator[tuple[Task[T], Result[R]]]:
        """Each row's verdict, when it is ready or in order; rows are drawn as workers become free.

        A row that fails is tried again, up to `limits.tries` in all; `on_fail` hears of every try, `Fail.tries` counts.
        """
        feed = Feed(rows, self.processes * 8 if ordered else 0)
        try:
            while feed.has_next() or self._busy():
                self._hand_out(feed)
                ready: list[tuple[Task[T], Result[R]]] = []
                for worker, result in self._wait():
                    ready += self._settle(worker, result, feed, on_fail)
                self._hand_out(feed)  # before the caller takes its time with what is ready
                yield from feed.in_order(ready) if ordered else ready
        finally:
            for worker in self._busy():
                self._remove(worker)

    def close(self) -> None:
        """Let the workers close what they opened; after a moment kill them, and what they have started."""
        for worker in list(self._workers):
            self._retire(worker)
        deadline = time.monotonic() + GRACE_S
        for worker in self._leaving:
            worker.wait(max(0.0, deadline - time.monotonic()))
        self._end()

    def kill(self) -> None:
        """End every worker now."""
        self._leaving += self._workers
        self._workers = []
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.kill()

    def _end(self) -> None:
        for worker in self._leaving:
            worker.kill()
        self._leaving = []
        self._selector.close()
        self._starter.shutdown()

    def _busy(self) -> list[_Worker[T]]:
        return [worker for worker in self._workers if worker.task is not None]

    def _hand_out(self, feed: Feed[T]) -> None:
        """Rows to those who wait for one; more workers while there are rows for them."""
        idle = [worker for worker in self._workers if worker.is_ready and worker.task is None]
        for worker in idle:
            if not feed.has_next():
                return
            task = feed.next()
            try:
                worker.begin(task, self.limits.row_s)
            except OSError:  # it died, or stopped reading, while it had nothing to do: not this row's fault
                feed.again(task)
                self._remove(worker)
            except Exception as error:  # noqa: BLE001  # a row that cannot be pickled: for `_settle` to count
                worker.task, worker.answer = task, failure(error)
        starting = sum(not worker.is_ready for worker in self._workers)
        while len(self._workers) < self.processes and feed.has_next(starting):
            self._start()
            starting += 1

    def _start(self) -> None:
        worker: _Worker[T] = self._starter.submit(_Worker[T], self._order, self.limits.start_s).result()
        self._workers.append(worker)
        self._selector.register(worker.channel, selectors.EVENT_READ, worker)
        self._selector.register(worker.pidfd, selectors.EVENT_READ, worker)

    def _wait(self) -> Iterator[tuple[_Worker[T], Result[R]]]:
        """What the workers have answered since, or failed to."""
        self._bury()
        if any(worker.answer for worker in self._workers):
            timeout = 0.0
        else:
            deadlines = [worker.deadline for worker in self._workers if worker.is_awaited]
            timeout = max(0.0, min(deadlines, default=time.monotonic()) - time.monotonic())
        heard = {key.data for key, _ in self._selector.select(timeout)}
        for worker in list(self._workers):
            if worker.answer is not None:
                answer, worker.answer = worker.answer, None
                yield worker, answer
            elif worker in heard:
                yield from self._hear(worker)
            elif worker.is_awaited and time.monotonic() > worker.deadline:
                yield from self._give_up(worker)

    def _hear(self, worker: _Worker[T]) -> Iterator[tuple[_Worker[T], Result[R]]]:
        try:
            said = worker.hear()
        except (EOFError, OSError) as error:
            self._remove(worker)
            if worker.task is not None:
                yield worker, Fail("hung" if isinstance(error, TimeoutError) else "died", worker.epitaph())
            elif not worker.is_ready:
                self._note_failed_start(worker.epitaph())
            return
        except Exception as error:  # noqa: BLE001  # a result that cannot be unpickled here
            said = failure(error)
        if not isinstance(said, Ready):
            yield worker, said
        elif said.problem:
            self._remove(worker)
            self._note_failed_start(said.problem)
        else:
            worker.is_ready = True
            self._failed_starts = 0

    def _give_up(self, worker: _Worker[T]) -> Iterator[tuple[_Worker[T], Result[R]]]:
        self._remove(worker)
        if worker.task is not None:
            yield worker, Fail("hung", f"no answer in {self.limits.row_s:g} s")
        else:
            self._note_failed_start(f"not ready in {self.limits.start_s:g} s")

    def _note_failed_start(self, problem: str) -> None:
        self._failed_starts += 1
        if self._failed_starts >= START_TRIES:
            raise VisCodexError(f"the worker processes do not start: {problem}", hint="viscodex doctor")

    def _settle(
        self,
        worker: _Worker[T],
        result: Result[R],
        feed: Feed[T],
        on_fail: Callable[[Task[T], Fail], None] | None,
    ) -> list[tuple[Task[T], Result[R]]]:
        task, worker.task = worker.task, None
        assert task is not None
        worker.rows += 1
        if worker in self._workers and worker.rows == self.limits.rows:
            self._retire(worker)
        if isinstance(result, Fail):
            task.tries += 1
            result = result.after(task.tries)
            if on_fail is not None:
                on_fail(task, result)
            if task.tries < self.limits.tries:
                feed.again(task)
                return []
        return [(task, result)]

    def _retire(self, worker: _Worker[T]) -> None:
        """Tell it to end; it is buried later, so that nobody waits for its browser."""
        self._forget(worker)
        worker.channel.close()
        worker.deadline = time.monotonic() + GRACE_S
        self._leaving.append(worker)

    def _remove(self, worker: _Worker[T]) -> None:
        self._forget(worker)
        worker.kill()

    def _forget(self, worker: _Worker[T]) -> None:
        self._workers.remove(worker)
        self._selector.unregister(worker.channel)
        self._selector.unregister(worker.pidfd)

    def _bury(self) -> None:
        for worker in [w for w in self._leaving if w.wait(0) or time.monotonic() > w.deadline]:
            worker.kill()
            self._leaving.remove(worker)


class _Worker(Generic[T]):
    """One process as its pool sees it."""

    def __init__(self, order: Order, start_s: float) -> None:
        self.task: Task[T] | None = None
        self.answer: Fail | None = None
        self.is_ready = False
        self.rows = 0
        self.deadline = time.monotonic() + start_s
        self.channel, theirs = socket.socketpair()
        far_end, self._lifeline = os.pipe()
        handles = (theirs.fileno(), far_end)
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, json.dumps(sys.path), *map(str, (*handles, os.getpid()))],
            stdin=subprocess.DEVNULL,
            pass_fds=handles,
            process_group=0,
        )
        theirs.close()
        os.close(far_end)
        self.pidfd = os.pidfd_open(self._process.pid)
        self.channel.settimeout(SEND_S)
        with suppress(OSError):  # dead already: the pool will hear of it
            send(self.channel, order)

    @property
    def is_awaited(self) -> bool:
        """Whether there is something it owes an answer to by its deadline."""
        return self.task is not None or not self.is_ready

    def begin(self, task: Task[T], seconds: float) -> None:
        send(self.channel, task.row)
        self.task, self.deadline = task, time.monotonic() + seconds

    def hear(self) -> Any:
        """Its next message; EOFError when there is none and there will be none."""
        waiting = selectors.DefaultSelector()
        with waiting:
            waiting.register(self.channel, selectors.EVENT_READ)
            if not waiting.select(0):  # only the process itself has changed: it ended, and a child holds its channel
                raise EOFError
        return receive(self.channel)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended; it stays a zombie, so that nobody else gets its number."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.pidfd, selectors.EVENT_READ)
            return bool(waiting.select(seconds))

    def kill(self) -> None:
        """End it and its process group, at once and for certain."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            os.close(self.pidfd)
            os.close(self._lifeline)
            self.channel.close()

    def epitaph(self) -> str:
        """How it ended."""
        code = self._process.wait()
        return f"exit status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
