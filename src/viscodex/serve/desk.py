"""What the handlers of the server share, and the visit of one request: its place and its job, given back once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from viscodex.serve.door import LOCAL, Places
from viscodex.serve.engine import Writer
from viscodex.serve.limits import Limits
from viscodex.serve.metrics import Metrics
from viscodex.serve.replies import Events
from viscodex.serve.uploads import Uploads

READERS = 2


@dataclass(frozen=True)
class Access:
    """Who may use the server. `hosts`: what it may be called; none: anything."""

    keys: Sequence[str] = ()
    hosts: Sequence[str] = LOCAL


class Desk:
    """The models that are served, and what is allowed. Other names, and any name under "*", are the first model."""

    def __init__(self, engines: Sequence[Writer], metrics: Metrics, limits: Limits, aliases: Sequence[str]) -> None:
        self.engines = tuple(engines)
        self.metrics = metrics
        self.limits = limits
        self.names = (*(engine.name for engine in engines), *aliases)
        self.uploads = Uploads(limits)
        self.places = Places(limits.requests, metrics)
        self.readers = ThreadPoolExecutor(READERS, "requests")
        # One thread: the sandbox's browser ends with the thread that started it, and pages take turns in it anyway.
        self.runner = ThreadPoolExecutor(1, "runs")
        self.began = int(time.time())

    def engine(self, name: str) -> Writer:
        return next((engine for engine in self.engines if engine.name == name), self.engines[0])

    @property
    def waiting(self) -> int:
        return sum(engine.waiting for engine in self.engines)

    @property
    def running(self) -> int:
        return sum(engine.running for engine in self.engines)

    def close(self) -> None:
        for engine in self.engines:
            engine.close()
        self.readers.shutdown(cancel_futures=True)
        self.runner.shutdown(cancel_futures=True)


class Visit:
    """One request's place among those that are answered at once; a stream takes it along. ApiError 429: there is none.

    `events`: of its job, which is left when the visit ends.
    """

    def __init__(self, desk: Desk) -> None:
        desk.places.enter()
        self.events: Events | None = None
        self._desk = desk
        self._began = time.monotonic()
        self._is_handed_on = False

    def handed_on(self) -> Callable[[], None]:
        """What ends the visit, for whoever has it from now on."""
        self._is_handed_on = True
        return self._end

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_handed_on:
            self._end()

    def _end(self) -> None:
        if self.events is not None:
            self.events.job.leave()
            if not self.events.is_over:
                self._desk.metrics.left.inc()
        self._desk.places.leave(time.monotonic() - self._began)
