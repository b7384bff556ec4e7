"""Stages that ask a model: replies are kept, and what no row is to blame for ends the build, not the row."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from viscodex.core.chat import AskError, Message, Reply
from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Sample
from viscodex.data.pipeline import Ask
from viscodex.runner.llm import Client
from viscodex.runner.stage import Fail, Result

NOBODYS_FAULT = ("budget", "connection", "key", "quota", "rate")  # the next row would meet the same


class StopError(VisCodexError):
    """The service answers nobody now; what is done is done, the same command goes on from there."""


class ClientAsker:
    """An `Asker` over a client."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.model = client.service.model

    async def ask(self, messages: Sequence[Message], *, tag: str, **params: Any) -> Reply:
        return await self.client.ask(self.client.request(messages, params, tag=tag))


class Guarded:
    """A stage's work on a row, with an endpoint's faults told apart: the row's own are its `Fail`, others stop all.

    Before it stops (StopError), what is in flight is waited for: it may be paid for already.
    """

    def __init__(self, stage: Ask, asker: ClientAsker) -> None:
        self.stage = stage
        self.asker = asker
        self._stop: StopError | None = None
        self._in_flight = 0
        self._is_quiet = asyncio.Event()

    async def __call__(self, sample: Sample) -> Result[Sample]:
        if self._stop is None:
            self._in_flight += 1
            try:
                return await self.stage.work(self.asker, sample)
            except AskError as error:
                if error.fault not in NOBODYS_FAULT:
                    return Fail(error.fault, error.problem)
                self._stop = self._stop or _stop(error, self.stage.name)
            finally:
                self._in_flight -= 1
                if self._stop is not None and not self._in_flight:
                    self._is_quiet.set()
        await self._is_quiet.wait()
        assert self._stop is not None
        raise self._stop


def _stop(error: AskError, stage: str) -> StopError:
    hint = error.hint or "the same command goes on where it stopped"
    return StopError(error.problem, where=f"stage {stage}", hint=hint)
