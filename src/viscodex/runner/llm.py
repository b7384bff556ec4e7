"""An OpenAI-compatible client that pays for nothing twice: cache, limits, back-off, a budget, and typed failures.

    client = Client(Service(url="http://127.0.0.1:8000/v1", model="…"), Cache(path))
    reply = await client.ask(client.request([Message("user", ("Describe this page.", png))], {"temperature": 0}))

What is asked at the same time by several is asked once. A reply is on disk before it is returned.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import openai

from viscodex.core.chat import AskError, Fault, Message, Reply, Request
from viscodex.runner import wire
from viscodex.runner.budget import Purse
from viscodex.runner.cache import Cache, Cost
from viscodex.runner.rate import Clock, Gate, WallClock
from viscodex.runner.retries import CallError, Retries, retry_after
from viscodex.runner.service import Service

CONNECT_S = 20.0
NO_KEY = "none"  # the library wants one; a service of one's own does not look


class Client:
    """Asks one service. Belongs to one event loop; `ledger` names who pays (the budget is per ledger)."""

    def __init__(
        self,
        service: Service,
        cache: Cache,
        *,
        ledger: str = "",
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.service = service
        self.cache = cache
        self.ledger = ledger
        self.clock = clock or WallClock()
        self.purse = Purse(service.budget, cache.spent(ledger))
        self._chance = chance or random.Random()
        self._gate = Gate(service.quota, self.clock)
        self._asked: dict[str, asyncio.Task[Reply]] = {}
        self._key = service.key()
        timeout = openai.Timeout(service.timeout_s, connect=min(CONNECT_S, service.timeout_s))
        self.openai = openai.AsyncOpenAI(
            base_url=service.url, api_key=self._key or NO_KEY, max_retries=0, timeout=timeout
        )

    def request(
        self, messages: Iterable[Message], params: Mapping[str, Any] | None = None, *, index: int = 0, tag: str = ""
    ) -> Request:
        """A request to this service's model."""
        return Request(self.service.model, tuple(messages), dict(params or {}), index, tag)

    async def ask(self, request: Request) -> Reply:
        """The reply: the one that is paid for already, or else a new one. AskError: there is none."""
        reply = self.cache.get(request)
        if reply is None:
            task = self._asked.get(request.key)
            if task is None:
                task = asyncio.create_task(self._fetch(request))
                self._asked[request.key] = task
                task.add_done_callback(lambda done: self._forget(request.key, done))
            reply = await asyncio.shield(task)  # another one may wait for it too
        return _unfiltered(reply)

    async def stream(self, request: Request) -> AsyncIterator[str | Reply]:
        """Pieces of text as they come, at the end the reply. Stored like any other, once it is whole."""
        if (reply := self.cache.get(request)) is not None:
            yield _unfiltered(reply).text
            yield reply
            return
        retries, written = self.retries(), ""
        async with self._paying(request) as most:
            while True:
                try:
                    async with self._gate.place(most.tokens):
                        async for piece in self._stream(request):
                            if isinstance(piece, Reply):
                                reply = piece
                            elif piece:
                                written += piece
                                yield piece
                    break
                except CallError as error:
                    self._note_loss(request, error, most)
                    if written:  # it cannot be unsaid
                        raise
                    await self._wait(retries.next(error), error)
                except GeneratorExit:
                    self._spend(request, Cost(most.prompt_tokens, wire.estimate(written)))
                    raise
            assert reply is not None
            self._store(request, reply)
        yield _unfiltered(reply)

    async def aclose(self) -> None:
        """Give up what is in flight."""
        for task in list(self._asked.values()):
            task.cancel()
            with suppress(asyncio.CancelledError, AskError):
                await task
        await self.openai.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def safe(self, text: str) -> str:
        """A text without our key, should the service have repeated it."""
        return text.replace(self._key, "***") if self._key else text

    def store(self, request: Request, reply: Reply) -> Reply:
        """Put a reply that came another way (a batch) where `ask` finds it."""
        return self._store(request, reply)

    async def _fetch(self, request: Request) -> Reply:
        retries = self.retries()
        async with self._paying(request) as most:
            while True:
                try:
                    async with self._gate.place(most.tokens) as taken:
                        reply = await self._call(request)
                        taken.amount = reply.prompt_tokens + reply.completion_tokens
                    return self._store(request, reply)
                except CallError as error:
                    self._note_loss(request, error, most)
                    await self._wait(retries.next(error), error)

    @asynccontextmanager
    async def _paying(self, request: Request) -> AsyncIterator[Cost]:
        tokens = wire.most(request)
        most = self.service.prices.cost(tokens.prompt_tokens, tokens.completion_tokens)
        async with self.purse.aside(most):
            yield most

    async def _call(self, request: Request) -> Reply:
        started = time.monotonic()
        async with self.faults():
            raw = await self._create(request)
            content: bytes = raw.http_response.content
        try:
            return wire.reply(request, self.safe(content.decode()).encode(), time.monotonic() - started)
        except UnicodeDecodeError as error:
            raise CallError("reply", f"the reply is not UTF-8: {error}", is_charged=True) from None
        except AskError as error:
            raise CallError(error.fault, self.safe(error.problem), is_charged=True) from None

    async def _stream(self, request: Request) -> AsyncIterator[str | Reply]:
        started = time.monotonic()
        pieces = wire.Pieces()
        async with self.faults():
            events = await self._create(request, stream=True, stream_options={"include_usage": True})
        async with events:
            is_over = False
            while not is_over:
                async with self.faults(started + self.service.timeout_s - time.monotonic()):
                    event = await anext(events, None)
                    is_over = event is None
                    piece = "" if event is None else pieces.feed(event.to_dict(mode="json"))
                yield piece
        if not pieces.finish:
            raise CallError("reply", "the stream broke off", is_charged=True)
        yield pieces.reply(request, self.safe, time.monotonic() - started)

    async def _create(self, request: Request, **more: Any) -> Any:
        """Parameters go in `extra_body`: the library need not know them."""
        content = wire.body(request)
        completions: Any = self.openai.chat.completions
        create = completions.create if more else completions.with_raw_response.create
        stream = {"stream": more.pop("stream")} if more else {}
        named = {"model": content.pop("model"), "messages": content.pop("messages")}
        return await create(**named, **stream, extra_body={**content, **more})

    @asynccontextmanager
    async def faults(self, seconds: float | None = None) -> AsyncIterator[None]:
        """Whatever the library or the network raises, as a `CallError`."""
        try:
            async with asyncio.timeout(self.service.timeout_s if seconds is None else seconds):
                yield
        except (TimeoutError, openai.APITimeoutError) as error:
            problem = f"no reply in {self.service.timeout_s:g} s"
            raise CallError("timeout", problem, is_charged=_was_sent(error)) from None
        except openai.APIStatusError as error:
            raise self._refusal(error) from None
        except openai.APIConnectionError as error:
            problem = self.safe(f"no reply from {self.service.url}: {_cause(error)}")
            raise CallError("connection", problem, is_charged=_was_sent(error)) from None
        except (openai.OpenAIError, ValueError, AttributeError, TypeError) as error:
            raise CallError("reply", self.safe(f"the reply cannot be read: {error}"), is_charged=True) from None

    def _refusal(self, error: openai.APIStatusError) -> CallError:
        status, code = error.status_code, error.code
        problem = self.safe(f"the service answers {status}: {error.message}")
        wait = retry_after(error.response.headers)
        if code == "insufficient_quota" or status == 402:
            return CallError("quota", problem, hint="the account of the service")
        if status in (401, 403):
            return CallError("key", problem, hint=f"set {self.service.key_variable}")
        if code == "content_filter":
            return CallError("filtered", problem)
        if status == 429:
            return CallError("rate", problem, wait)
        fault: Fault = "server" if status >= 500 or status in (408, 409, 425) else "refused"
        return CallError(fault, problem, wait)

    async def _wait(self, seconds: float, error: CallError) -> None:
        if error.fault == "rate":
            self._gate.pause(seconds)
        else:
            await self.clock.sleep(seconds)

    def retries(self) -> Retries:
        return Retries(self.service.tries, self.service.patience_s, self._chance)

    def _store(self, request: Request, reply: Reply) -> Reply:
        cost = self.service.prices.cost(reply.prompt_tokens, reply.completion_tokens)
        self.cache.put(request, reply, cost, self.ledger)
        self.purse.pay(cost)
        return reply

    def _note_loss(self, request: Request, error: CallError, most: Cost) -> None:
        if error.is_charged:
            self._spend(request, Cost(most.prompt_tokens, 0))

    def _spend(self, request: Request, tokens: Cost) -> None:
        cost = self.service.prices.cost(tokens.prompt_tokens, tokens.completion_tokens)
        self.cache.spend(request, cost, self.ledger)
        self.purse.pay(cost)

    def _forget(self, key: str, task: asyncio.Task[Reply]) -> None:
        self._asked.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen, should nobody wait for it any more


def _unfiltered(reply: Reply) -> Reply:
    if reply.finish == "content_filter":
        raise AskError("filtered", "the service's content filter withheld the answer")
    return reply


def _was_sent(error: BaseException) -> bool:
    """Whether the service may have answered, and charged: not when the connection was never made."""
    return type(error.__cause__).__name__ not in ("ConnectError", "ConnectTimeout", "PoolTimeout")


def _cause(error: BaseException) -> str:
    return str(error.__cause__ or error) or type(error.__cause__ or error).__name__
