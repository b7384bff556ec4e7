"""vLLM as our engine: started in its own environment, watched, started again when it dies, ended with us."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from viscodex.core import console
from viscodex.core.errors import VisCodexError
from viscodex.model import vllm
from viscodex.runner.server import free_port, running
from viscodex.serve.engine import Job, Observer
from viscodex.serve.faults import ApiError
from viscodex.serve.upstream import Upstream

LOOK_EVERY_S = 0.2
TRIES = 3
"""Starts in a row that last less than `STEADY_S`; then something is wrong that another start does not mend."""
STEADY_S = 60.0
RETRY_S = 10


@dataclass(frozen=True)
class Launch:
    """What to start: a checkpoint folder, how vLLM serves it, and where its words go."""

    folder: Path
    serving: vllm.Serving
    log: Path
    retry_s: float = 2.0
    """Between an end and the next start."""


class Watched:
    """A `Writer` that owns its server. Requests meet a typed 503 while there is none; those under way, too."""

    def __init__(self, name: str, launch: Launch, observer: Observer | None = None) -> None:
        self.name = name
        self._launch = launch
        self._serving = launch.serving.model_copy(update={"host": "127.0.0.1", "port": free_port()})
        self._upstream = Upstream(name, vllm.url(self._serving), observer=observer)
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._is_well = self._has_given_up = False
        self._problem: VisCodexError | None = None
        self.starts = 0
        self._thread = threading.Thread(target=self._watch, name=f"vllm {name}", daemon=True)
        self._thread.start()

    def wait_until_well(self) -> None:
        """Return once it answers. VisCodexError: its first start failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_well or self._problem is not None)
            if self._problem is not None and not self._is_well:
                raise self._problem

    @property
    def is_alive(self) -> bool:
        return self._is_well and self._upstream.is_alive

    @property
    def waiting(self) -> int:
        return self._upstream.waiting

    @property
    def running(self) -> int:
        return self._upstream.running

    def submit(self, job: Job) -> None:
        if self._is_well or self._closing.is_set():
            self._upstream.submit(job)
        elif self._has_given_up:
            job.put(ApiError(503, "the engine behind this server has died too often", "engine_gone"))
        else:
            message = "the engine behind this server is being started again"
            job.put(ApiError(503, message, "engine_starting", headers={"retry-after": str(RETRY_S)}))

    def drain(self) -> None:
        self._upstream.drain()

    def cut_off(self) -> None:
        self._upstream.cut_off()

    def close(self) -> None:
        self._upstream.close()
        self._closing.set()
        self._thread.join()

    def _watch(self) -> None:
        in_vain = 0
        while not self._closing.is_set():
            began = time.monotonic()
            try:
                self._run_once()
            except VisCodexError as error:
                if self._closing.is_set():
                    return
                in_vain = 1 if time.monotonic() - began > STEADY_S else in_vain + 1
                self._note(error, gives_up=in_vain >= TRIES or self.starts == 0)
                if self._has_given_up:
                    return
                self._closing.wait(self._launch.retry_s)

    def _run_once(self) -> None:
        """From a start to an end; VisCodexError: it ended by itself, or never got well."""
        serving = self._serving
        argv = vllm.command(self._launch.folder, serving, name=self.name)
        console.say(f"starting {' '.join(argv)}")
        with running(
            argv,
            vllm.health(serving),
            self._launch.log,
            start_s=serving.start_s,
            environment=vllm.ENVIRONMENT,
            is_wanted=lambda: not self._closing.is_set(),
        ) as process:
            self.starts += 1
            self._set_well(True)
            while process.poll() is None and not self._closing.wait(LOOK_EVERY_S):
                pass
            self._set_well(False)

    def _set_well(self, value: bool) -> None:
        with self._changed:
            self._is_well = value
            self._changed.notify_all()

    def _note(self, error: VisCodexError, *, gives_up: bool) -> None:
        ending = " It is not started again." if gives_up else ""
        console.say(f"{self.name}: {error.problem}; {error.hint}{ending}")
        with self._changed:
            self._problem, self._has_given_up = error, gives_up
            self._changed.notify_all()
