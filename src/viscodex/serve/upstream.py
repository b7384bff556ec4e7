"""Answers of a model on another OpenAI-compatible server, behind the same front door.

What a client sends is read and checked here first, so that the server behind sees neither bombs nor what it does not
know. A client that leaves ends its request there, too.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any

import httpx2
import openai

from viscodex.core.chat import Request
from viscodex.core.errors import VisCodexError
from viscodex.model.endpoint import conversation, parameters
from viscodex.model.generate import Completion, Finish, Usage
from viscodex.runner import wire
from viscodex.runner.retries import retry_after
from viscodex.serve.engine import Job, Observer, Piece, stopping, unanswerable
from viscodex.serve.faults import ApiError

CONNECT_S = 20.0
CONNECTIONS = 256
NO_KEY = "none"
TOO_LONG = "maximum context length"
"""What vLLM says when prompt and longest answer do not fit together; without a length it takes what room there is."""


class Upstream:
    """A model called `model` at `url`. Every answer is a request of its own, on an event loop in a thread of ours."""

    def __init__(
        self, name: str, url: str, model: str = "", *, key: str = "", observer: Observer | None = None
    ) -> None:
        self.name = name
        self.url = url
        self._model = model or name
        self._observer = observer
        timeout = openai.Timeout(None, connect=CONNECT_S)  # how long an answer may take is the front door's to say
        limits = httpx2.Limits(max_connections=CONNECTIONS)
        http = openai.DefaultAsyncHttpxClient(limits=limits, timeout=timeout)
        self._client = openai.AsyncOpenAI(
            base_url=url, api_key=key or NO_KEY, max_retries=0, timeout=timeout, http_client=http
        )
        self._jobs: dict[Job, asyncio.Task[None]] = {}
        self._begun = 0
        self._is_closing = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live, name=f"upstream {name}", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return not self._is_closing

    @property
    def waiting(self) -> int:
        """Answers of which nothing has come."""
        return sum(job.sampling.n for job in list(self._jobs)) - self._begun

    @property
    def running(self) -> int:
        return self._begun

    def submit(self, job: Job) -> None:
        if self._is_closing:
            job.put(stopping())
            return
        self._loop.call_soon_threadsafe(self._take, job)

    def drain(self) -> None:
        self._is_closing = True

    def cut_off(self) -> None:
        for job in list(self._jobs):
            job.put(stopping())
            job.leave()

    def close(self) -> None:
        self.drain()
        self.cut_off()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.run_until_complete(self._client.close())
        self._loop.close()

    def _take(self, job: Job) -> None:
        task = self._loop.create_task(self._answer(job))
        self._jobs[job] = task
        task.add_done_callback(lambda _: self._jobs.pop(job, None))
        job.on_leave = lambda: self._loop.call_soon_threadsafe(task.cancel)
        if job.left.is_set():
            task.cancel()

    async def _answer(self, job: Job) -> None:
        """All answers of a job; the first that fails is the end of all."""
        if self._observer:
            self._observer.batch(job.sampling.n)
        try:
            async with asyncio.TaskGroup() as group:
                for index in range(job.sampling.n):
                    group.create_task(self._one(job, index))
        except* ApiError as errors:
            job.put(_first(errors))
        except* VisCodexError as errors:
            job.put(unanswerable(str(_first(errors))))
        except* Exception as errors:  # noqa: BLE001  # the thread outlives a fault, which is this job's
            if self._observer:
                self._observer.fault(_first(errors))
            job.put(ApiError(500, f"a fault in the server: {type(_first(errors)).__name__}", "internal_error"))

    async def _one(self, job: Job, index: int) -> None:
        began = time.monotonic()
        params = parameters(job.sample, job.sampling, index)
        request = Request(self._model, await asyncio.to_thread(conversation, job.sample), params, index)
        try:
            pieces = await self._read(job, request)
        except openai.BadRequestError as error:
            if TOO_LONG not in str(error) or "max_tokens" not in params:
                raise _refusal(error) from None
            del params["max_tokens"]
            pieces = await _typed(self._read(job, Request(self._model, request.messages, params, index)))
        except openai.OpenAIError as error:
            raise _refusal(error) from None
        reply = pieces.reply(request, str, time.monotonic() - began)
        finish: Finish = "length" if reply.finish == "length" else "stop"
        usage = Usage(prompt_tokens=reply.prompt_tokens, completion_tokens=reply.completion_tokens)
        facts: dict[str, Any] = {"sample_id": job.sample.id, "index": index, "generator": f"upstream/{self.name}"}
        job.put(Completion(text=reply.text, finish=finish, usage=usage, seconds=reply.seconds, **facts))

    async def _read(self, job: Job, request: Request) -> wire.Pieces:
        """The whole answer, its pieces handed on as they come."""
        pieces = wire.Pieces()
        content = await asyncio.to_thread(wire.body, request)
        named: dict[str, Any] = {"model": content.pop("model"), "messages": content.pop("messages")}
        more = {**content, "stream_options": {"include_usage": True}}
        has_begun = False
        try:
            async with await self._client.chat.completions.create(**named, stream=True, extra_body=more) as events:
                async for event in events:
                    text = pieces.feed(event.to_dict(mode="json"))
                    if text and not has_begun:
                        has_begun = True
                        self._begun += 1
                    if text and job.streams:
                        job.put(Piece(request.index, text))
        except httpx2.HTTPError:
            raise gone() from None
        except (ValueError, TypeError, AttributeError) as error:
            raise ApiError(502, f"the engine's answer cannot be read: {error}", "engine_error") from None
        finally:
            self._begun -= has_begun
        if not pieces.finish:
            raise gone()
        return pieces


def gone() -> ApiError:
    return ApiError(503, "the engine behind this server broke off", "engine_gone")


async def _typed(work: Coroutine[Any, Any, wire.Pieces]) -> wire.Pieces:
    try:
        return await work
    except openai.OpenAIError as error:
        raise _refusal(error) from None


def _refusal(error: openai.OpenAIError) -> ApiError:
    """What the server behind says, as an error of ours."""
    if isinstance(error, openai.RateLimitError):
        wait = retry_after(error.response.headers)
        headers = {"retry-after": str(max(1, round(wait)))} if wait else {}
        return ApiError(429, "the engine behind this server takes no more now", "too_many_requests", headers=headers)
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return ApiError(502, "the engine behind this server wants another key", "engine_key")
    if isinstance(error, openai.APIStatusError):
        if error.status_code < 500:
            return unanswerable(error.message)
        return ApiError(502, f"the engine behind this server answers {error.status_code}", "engine_error")
    if isinstance(error, openai.APIConnectionError):
        return gone()
    return ApiError(502, f"the engine behind this server says: {error}", "engine_error")


def _first(errors: BaseExceptionGroup[Any]) -> Any:
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
