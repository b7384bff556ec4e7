"""The Chrome DevTools Protocol over two pipes: JSON messages that end in a zero byte.

Not Playwright: its driver is a second process that takes part in every page, and a page costs 1.6 times the CPU that it
costs here (benchmarks/pages.py keeps count; tests/sandbox/test_browser_yardstick.py holds our pictures against its).
Nothing here waits without a deadline: what sits at the other end has run a stranger's scripts.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]

CHUNK = 1 << 20
LARGEST_MESSAGE = 512 << 20
"""Bytes. The largest picture (64 million pixels of noise) stays below, as base64."""
TICK_S = 0.05


class BrowserGoneError(Exception):
    """The browser has ended, or what comes out of it is no longer the protocol."""


class RefusedError(Exception):
    """The browser answered a command with an error."""


@dataclass
class Wire:
    """Whole messages out of and into a pair of pipes. Owns both descriptors."""

    reader: int
    writer: int
    last_size: int = 0
    """Bytes of the message that `receive` gave last."""
    received: deque[bytes] = field(default_factory=deque)
    """Whole messages that nobody has taken yet."""
    _waiting: list[bytes] = field(default_factory=list)
    _partial: list[bytes] = field(default_factory=list)
    _partial_size: int = 0

    def __post_init__(self) -> None:
        for fd in (self.reader, self.writer):
            os.set_blocking(fd, False)
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, CHUNK)

    def send(self, message: Message) -> None:
        """Have a message written by the next `flush`: those that are sent together wake the browser once."""
        self._waiting.append(json.dumps(message).encode() + b"\0")

    def flush(self, deadline: float) -> None:
        """Write what has been sent; BrowserGoneError when the browser does not take it in time."""
        view = memoryview(b"".join(self._waiting))
        self._waiting.clear()
        while view:
            try:
                view = view[os.write(self.writer, view) :]
            except BlockingIOError:
                if not select.select([], [self.writer], [], max(0.0, deadline - time.monotonic()))[1]:
                    raise BrowserGoneError("the browser does not read") from None
            except OSError as error:
                raise BrowserGoneError("the browser has ended") from error

    def receive(self, patience_s: float) -> Message | None:
        """The next message, or None when none was complete in time."""
        until = time.monotonic() + patience_s
        while not self.received:
            if not select.select([self.reader], [], [], max(0.0, until - time.monotonic()))[0]:
                return None
            self._take()
        raw = self.received.popleft()
        self.last_size = len(raw)
        try:
            message = json.loads(raw)
        except ValueError as error:
            raise BrowserGoneError("the browser does not speak the protocol") from error
        if not isinstance(message, dict):
            raise BrowserGoneError("the browser does not speak the protocol")
        return message

    def _take(self) -> None:
        try:
            chunk = os.read(self.reader, CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            raise BrowserGoneError("the browser has ended")
        *ends, rest = chunk.split(b"\0")
        for end in ends:
            self.received.append(b"".join((*self._partial, end)))
            self._partial, self._partial_size = [], 0
        self._partial.append(rest)
        self._partial_size += len(rest)
        if self._partial_size > LARGEST_MESSAGE:
            raise BrowserGoneError("the browser sent a message without end")

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


@dataclass
class Connection:
    """Commands and their answers; whatever else arrives goes to `on_event`.

    `tick` is called about every TICK_S while waiting; it may raise to end the wait.
    """

    wire: Wire
    on_event: Callable[[Message], None] = lambda message: None
    tick: Callable[[], None] = lambda: None
    event_bytes: int = 0
    """Bytes of events so far."""
    _last: int = 0
    _ticked: float = 0.0

    def post(self, method: str, params: Mapping[str, Any], session: str) -> int:
        """Send a command, with the next wait, whose answer nobody waits for; its number."""
        self._last += 1
        message: Message = {"id": self._last, "method": method, "params": dict(params)}
        if session:
            message["sessionId"] = session
        self.wire.send(message)
        return self._last

    def call(self, method: str, params: Mapping[str, Any], session: str, deadline: float) -> Message:
        """Send a command and wait for its answer: RefusedError when it is an error, TimeoutError when there is none."""
        number = self.post(method, params, session)
        answer: Message = {}

        def take(message: Message) -> bool:
            if message.get("id") != number:
                return False
            answer.update(message)
            return True

        self.wait_for(lambda: bool(answer), deadline, take)
        if "error" in answer:
            raise RefusedError(f"{method}: {answer['error'].get('message', 'refused')}")
        result = answer.get("result")
        return result if isinstance(result, dict) else {}

    def wait_for(
        self,
        condition: Callable[[], bool],
        deadline: float,
        take: Callable[[Message], bool] = lambda message: False,
    ) -> None:
        """Handle what arrives until `condition` holds; `take` may keep a message from `on_event`."""
        while not condition():
            now = time.monotonic()
            if now >= deadline:
                raise TimeoutError
            if now - self._ticked >= TICK_S:
                self._ticked = now
                self.tick()
            if not self.wire.received:
                self.wire.flush(deadline)
            message = self.wire.receive(min(TICK_S, deadline - now))
            if message is not None and not take(message) and "method" in message:
                self.event_bytes += self.wire.last_size
                self.on_event(message)
