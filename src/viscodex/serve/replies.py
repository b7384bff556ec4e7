"""From a job's events to an HTTP response: whole, or as a stream; and noticing that nobody waits any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from viscodex.model.generate import Completion
from viscodex.serve import answers
from viscodex.serve.engine import Event, Job, Piece
from viscodex.serve.faults import ApiError
from viscodex.serve.metrics import Metrics

T = TypeVar("T")
HOLD_S = 5.0
"""How long a stream waits for its first event before it says 200: an early failure has its own status."""
ALIVE_S = 10.0
"""A stream that waits says so this often."""


class ClientLeftError(ClientDisconnect):
    """Nobody is there to answer."""


async def unless_left(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Do the work, or give it up with ClientLeftError when the client goes."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientLeftError
        return task.result()
    finally:
        for one in (task, gone):
            one.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Events:
    """A job's events, each within the time that is left for the whole answer."""

    def __init__(self, job: Job, seconds: float, metrics: Metrics) -> None:
        self.job = job
        self.completions: list[Completion] = []
        self._seconds = seconds
        self._metrics = metrics
        self._is_first = True

    @property
    def is_over(self) -> bool:
        return len(self.completions) == self.job.sampling.n

    async def next(self, at_most: float | None = None) -> Event:
        """The next event; ApiError is raised. TimeoutError: none in `at_most` seconds."""
        left = self.job.began + self._seconds - time.monotonic()
        waits = left if at_most is None else min(left, at_most)
        try:
            async with asyncio.timeout(waits):
                event = await self.job.events.get()
        except TimeoutError:
            if waits < left:
                raise
            message = f"the answer was not there after {self._seconds:g} s"
            raise ApiError(504, message, "answer_timeout") from None
        if isinstance(event, ApiError):
            raise event
        if isinstance(event, Completion):
            self.completions.append(event)
            if self.is_over:
                self._metrics.answered(self.completions, time.monotonic() - self.job.began)
        elif self._is_first:
            self._metrics.first.observe(time.monotonic() - self.job.began)
        self._is_first = False
        return event

    async def all(self) -> list[Completion]:
        while not self.is_over:
            await self.next()
        return self.completions


class EventStream(Response):
    """A stream of server-sent events that ends when the client goes; `close` is called in the end, whatever comes."""

    media_type = "text/event-stream"

    def __init__(self, pieces: AsyncIterator[bytes], close: Callable[[], None]) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._pieces = pieces
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await unless_left(receive, self._send(send))
        except ClientLeftError:
            pass
        finally:
            self._close()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def chunks(events: Events, first: Event | None, head: answers.Head, *, counts: bool) -> AsyncIterator[bytes]:
    """The server-sent events of a stream; an error on the way is an event, too, and the last."""
    for index in range(events.job.sampling.n):
        yield head.chunk(index, {"role": "assistant", "content": ""}, None, counts=counts)
    try:
        event = first
        while True:
            if isinstance(event, Piece):
                yield head.chunk(event.index, {"content": event.text}, None, counts=counts)
            elif isinstance(event, Completion):
                yield head.chunk(event.index, {}, event.finish, counts=counts)
                if events.is_over:
                    break
            try:
                event = await events.next(ALIVE_S)
            except TimeoutError:
                event = None
                yield answers.ALIVE
    except ApiError as error:
        yield answers.event(error.body)
        return
    if counts:
        yield head.usage_chunk(events.completions)
    yield answers.DONE


async def first_event(events: Events, request: Request) -> Event | None:
    """The first event of a stream, or None when it takes long."""
    try:
        return await unless_left(request.receive, events.next(HOLD_S))
    except TimeoutError:
        return None
