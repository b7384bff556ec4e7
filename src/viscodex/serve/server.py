"""The server's life: listening, signals, and an end that leaves nobody half answered without need."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

import uvicorn
from fastapi import FastAPI

from viscodex.core.errors import UsageError
from viscodex.serve.engine import Writer
from viscodex.serve.limits import Limits
from viscodex.serve.protocol import patient

KEEP_ALIVE_S = 75
"""uvicorn's 5 s are the time after which many clients think a connection stale: both ends would close it at once."""


SWITCH_S = 0.0005
"""Python's 5 ms are what the event loop would wait for the computing thread, several times a request."""
LAST_WORDS_S = 5
"""For answers that were cut off to say so."""


class Server(uvicorn.Server):
    """uvicorn's, with another end: a signal refuses what waits, gives what is being written some seconds, and exits 0.

    A second signal ends it at once.
    """

    def __init__(self, app: FastAPI, engines: Sequence[Writer], limits: Limits) -> None:
        self._engines = engines
        self._grace = threading.Timer(limits.grace_s, self._cut_off)
        self._grace.daemon = True
        super().__init__(
            uvicorn.Config(
                app,
                http=patient(limits),
                ws="none",
                lifespan="on",
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=round(limits.grace_s) + LAST_WORDS_S,
            )
        )

    def stop(self) -> None:
        """Begin the end, from any thread."""
        if self.should_exit:
            self.force_exit = True
            return
        self.should_exit = True
        for engine in self._engines:
            engine.drain()
        self._grace.start()

    def _cut_off(self) -> None:
        for engine in self._engines:
            engine.cut_off()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn would raise the signal again at its end, and the process would die of it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def end(number: int, frame: FrameType | None) -> None:
            self.stop()

        before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, before a model is loaded; port 0 is any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise UsageError(f"cannot listen: {error.strerror}", f"{host}:{port}", "another --port") from error


def run(
    app: FastAPI, engines: Sequence[Writer], limits: Limits, place: socket.socket, ready: Callable[[], None]
) -> None:
    """Serve until a signal comes. `ready` is called when requests are taken."""
    sys.setswitchinterval(SWITCH_S)
    server = Server(app, engines, limits)
    begin = server.startup

    async def startup(sockets: list[socket.socket] | None = None) -> None:
        await begin(sockets)
        ready()

    server.startup = startup  # type: ignore[method-assign]
    server.run([place])
