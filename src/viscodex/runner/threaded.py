"""The client for code that is not async: its event loop lives in a thread of its own."""

from __future__ import annotations

import asyncio
import collections.abc
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any, Self, TypeVar

from viscodex.core.chat import AskError, Reply, Request
from viscodex.runner.cache import Cache
from viscodex.runner.llm import Client
from viscodex.runner.service import Service

T = TypeVar("T")
R = TypeVar("R")
_END: Any = object()


class ThreadedClient:
    """What `Client` does, as plain calls and iterators. Safe to use from several threads; close it when done."""

    def __init__(self, service: Service, cache: Cache, *, ledger: str = "") -> None:
        self.service = service
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="llm", daemon=True)
        self._thread.start()
        self.client: Client = self._run(_made(service, cache, ledger))

    @property
    def model(self) -> str:
        return self.service.model

    def ask(self, request: Request) -> Reply:
        """One reply, or AskError."""
        return self._run(self.client.ask(request))

    def ask_all(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Reply | AskError]]:
        """Replies as they come, many at a time; requests are drawn as they are needed."""
        return self.each(self._answer, requests)

    def each(self, work: Callable[[T], Awaitable[R]], items: Iterable[T]) -> Iterator[tuple[T, R]]:
        """Coroutines on items, twice as many at a time as calls in flight; results as they come.

        What `work` raises ends it all; leaving early cancels what is at work.
        """
        done: queue.SimpleQueue[tuple[T, R] | BaseException] = queue.SimpleQueue()
        waiting = iter(items)
        running = 0
        tasks: set[asyncio.Task[None]] = set()

        async def do(item: T) -> None:
            try:
                done.put((item, await work(item)))
            except BaseException as error:
                done.put(error)
                if not isinstance(error, Exception):
                    raise

        def start(item: T) -> None:
            task = self._loop.create_task(do(item))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        try:
            while True:
                while running < 2 * self.service.quota.in_flight and (item := next(waiting, _END)) is not _END:
                    self._loop.call_soon_threadsafe(start, item)
                    running += 1
                if not running:
                    return
                result = done.get()
                running -= 1
                if isinstance(result, BaseException):
                    raise result
                yield result
        finally:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])

    def stream(self, request: Request) -> collections.abc.Generator[str, None, Reply]:
        """Pieces of text as they come; the generator's value is the reply. Closing it early ends the call."""
        pieces: queue.SimpleQueue[str | Reply | BaseException] = queue.SimpleQueue()

        async def read() -> None:
            stream = self.client.stream(request)
            try:
                async for piece in stream:
                    pieces.put(piece)
            except BaseException as error:
                pieces.put(error)
                if not isinstance(error, Exception):
                    raise
            finally:
                await stream.aclose()  # type: ignore[attr-defined]

        reading = asyncio.run_coroutine_threadsafe(read(), self._loop)
        try:
            while True:
                piece = pieces.get()
                if isinstance(piece, Reply):
                    return piece
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            reading.cancel()

    def close(self) -> None:
        """Give up what is in flight, end the thread."""
        if self._loop.is_closed():
            return
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, R]) -> R:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.client.aclose()

    async def _answer(self, request: Request) -> Reply | AskError:
        try:
            return await self.client.ask(request)
        except AskError as error:
            return error


async def _made(service: Service, cache: Cache, ledger: str) -> Client:
    return Client(service, cache, ledger=ledger)
