"""Half the price for patience: questions as a provider's batch, their replies in the same cache.

    left = await Batches(client).run(requests)    # then client.ask(request) finds what was answered

What is cached is not sent. A batch is noted before it is sent: after a kill, the next run takes it up again, and asks
the provider whether it knows our mark before it sends another.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

from viscodex.core.chat import AskError, Reply, Request
from viscodex.runner import wire
from viscodex.runner.cache import Cost
from viscodex.runner.llm import Client
from viscodex.runner.retries import CallError

MOST_REQUESTS = 50_000  # of a batch, by the provider's rules
MOST_BYTES = 190_000_000
MARK = "viscodex"
PATH: Literal["/v1/chat/completions"] = "/v1/chat/completions"
POLLS_S = (5.0, 15.0, 60.0)  # then every minute
ENDED = ("completed", "failed", "expired", "cancelled")
R = TypeVar("R")


@dataclass
class _Wanted:
    """The requests of a run that were not in the cache, and what went wrong with some."""

    requests: dict[str, Request]
    failed: dict[str, AskError] = field(default_factory=dict)


class Batches:
    """Sends batches over a client's connection; waits for them on its clock."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._database = client.cache.database

    async def run(self, requests: Iterable[Request]) -> list[tuple[Request, AskError]]:
        """Have all answered that are not cached, in batches; what is left unanswered, and why. It can be run again."""
        wanted = _Wanted({request.key: request for request in requests if not self._is_cached(request)})
        for mark, provider_id, keys in self._open():
            if wanted.requests.keys() & set(keys):
                await self._finish(mark, provider_id or await self._find(mark), wanted)
        for chunk in chunks(self._unanswered(wanted)):
            async with self.client.purse.aside(self._most(chunk)):
                mark, provider_id = await self._send(chunk)
                await self._finish(mark, provider_id, wanted)
        for request in self._unanswered(wanted):
            wanted.failed[request.key] = CallError("server", "the batch ended without it")
        return [(wanted.requests[key], error) for key, error in wanted.failed.items()]

    def _is_cached(self, request: Request) -> bool:
        return self.client.cache.get(request) is not None

    def _unanswered(self, wanted: _Wanted) -> list[Request]:
        rows = wanted.requests.items()
        return [request for key, request in rows if key not in wanted.failed and not self._is_cached(request)]

    def _most(self, requests: Sequence[Request]) -> Cost:
        tokens = sum(map(wire.most, requests), Cost())
        return self.client.service.prices.cost(tokens.prompt_tokens, tokens.completion_tokens)

    async def _send(self, requests: Sequence[Request]) -> tuple[str, str]:
        """Note, upload, begin, in this order: a kill in between leaves a mark to look for."""
        mark, keys = uuid.uuid4().hex, [request.key for request in requests]
        lines = b"".join(map(line, requests))
        self._note(mark, "", keys)
        files, batches = self.client.openai.files, self.client.openai.batches
        file = await self._insist(lambda: files.create(file=(f"{mark}.jsonl", lines), purpose="batch"))
        async with self.client.faults():  # once: when it is torn down, nobody knows whether there is a batch
            batch = await batches.create(
                input_file_id=file.id, endpoint=PATH, completion_window="24h", metadata={MARK: mark}
            )
        self._note(mark, batch.id, keys)
        return mark, batch.id

    async def _find(self, mark: str) -> str:
        """The provider's id of a batch whose run did not live to hear it; "": it was never sent."""

        async def look() -> str:
            async for batch in self.client.openai.batches.list(limit=100):
                if (batch.metadata or {}).get(MARK) == mark:
                    return str(batch.id)
            return ""

        return await self._insist(look)

    async def _finish(self, mark: str, provider_id: str, wanted: _Wanted) -> None:
        """Wait for a batch, store what it brings, forget it."""
        if provider_id:
            batch = await self._ended(provider_id)
            for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
                content = await self._insist(partial(self.client.openai.files.content, file_id))
                self._read(content.content, wanted)
        self._database.execute("UPDATE batches SET is_done = 1 WHERE mark = ?", (mark,))
        if provider_id and batch.status == "failed":
            raise AskError("refused", self.client.safe(f"the provider refuses the batch: {_reasons(batch)}"))

    async def _ended(self, provider_id: str) -> Any:
        polls = 0
        while True:
            batch = await self._insist(lambda: self.client.openai.batches.retrieve(provider_id))
            if batch.status in ENDED:
                return batch
            await self.client.clock.sleep(POLLS_S[min(polls, len(POLLS_S) - 1)])
            polls += 1

    async def _insist(self, call: Callable[[], Awaitable[R]]) -> R:
        """A call that may be repeated, with the client's patience."""
        retries = self.client.retries()
        while True:
            try:
                async with self.client.faults():
                    return await call()
            except CallError as error:
                await self.client.clock.sleep(retries.next(error))

    def _read(self, content: bytes, wanted: _Wanted) -> None:
        for text in self.client.safe(content.decode(errors="replace")).splitlines():
            key, result = answer(text, wanted.requests)
            if isinstance(result, Reply):
                self.client.store(wanted.requests[key], result)
            elif result is not None:
                wanted.failed[key] = result

    def _open(self) -> list[tuple[str, str, list[str]]]:
        """Batches that an earlier run has sent, or was about to send."""
        rows = self._database.execute("SELECT mark, provider_id, keys FROM batches WHERE NOT is_done").fetchall()
        return [(mark, provider_id, json.loads(keys)) for mark, provider_id, keys in rows]

    def _note(self, mark: str, provider_id: str, keys: Sequence[str]) -> None:
        row = (mark, provider_id, json.dumps(keys))
        self._database.execute(
            "INSERT OR REPLACE INTO batches (mark, provider_id, keys, is_done) VALUES (?, ?, ?, 0)", row
        )


def line(request: Request) -> bytes:
    """A request as a line of a batch's file; its key is its name there."""
    row = {"custom_id": request.key, "method": "POST", "url": PATH, "body": wire.body(request)}
    return json.dumps(row).encode() + b"\n"


def chunks(requests: Iterable[Request]) -> Iterator[list[Request]]:
    """As many requests to a batch as a provider takes."""
    chunk: list[Request] = []
    size = 0
    for request in requests:
        length = len(line(request))
        if chunk and (len(chunk) == MOST_REQUESTS or size + length > MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(request)
        size += length
    if chunk:
        yield chunk


def answer(text: str, requests: dict[str, Request]) -> tuple[str, Reply | AskError | None]:
    """A line of a result file: whose it is, and the reply or why there is none. ("", None): nobody's here."""
    try:
        row = json.loads(text)
        key, response = row["custom_id"], row.get("response") or {}
        request = requests[key]
    except (ValueError, TypeError, KeyError, AttributeError):
        return "", None
    if response.get("status_code") != 200:
        problem = json.dumps(row.get("error") or response.get("body"))[:300]
        return key, CallError("server", f"no answer in the batch: {problem}")
    try:
        return key, wire.completion(request, response.get("body"), text, 0.0)
    except AskError as error:
        return key, error


def _reasons(batch: Any) -> str:
    errors = (batch.errors.data if batch.errors else None) or []
    return "; ".join(error.message or "" for error in errors) or "no reason given"
