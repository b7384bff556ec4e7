"""How fast a service may be asked: calls in flight, requests and tokens a minute, and pauses that it asks for."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

MINUTE = 60.0


class Quota(BaseModel):
    """What a service allows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    in_flight: int = Field(default=16, ge=1, description="Calls at the same time.")
    requests_per_minute: int = Field(default=0, ge=0, description="Calls begun in any 60 seconds; 0: no limit.")
    tokens_per_minute: int = Field(default=0, ge=0, description="Tokens read and written in any 60 s; 0: no limit.")


class Clock(Protocol):
    """Time, so that tests can bring their own."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class WallClock:
    """Real time, in seconds since some moment."""

    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class Taken:
    """An amount that counts against a window from `at` on; corrected when the true amount is known."""

    at: float
    amount: float


class Window:
    """At most `limit` in any `seconds`, exactly: what was taken counts for so long, and nothing is averaged.

    An amount above the limit would never fit; it is let through alone, when nothing else counts.
    """

    def __init__(self, limit: float, seconds: float = MINUTE) -> None:
        self.limit = limit
        self.seconds = seconds
        self._taken: deque[Taken] = deque()

    def wait(self, now: float, amount: float) -> float:
        """Seconds until the amount fits; 0: now."""
        if self.limit == float("inf"):
            return 0.0
        while self._taken and self._taken[0].at + self.seconds <= now:
            self._taken.popleft()
        excess = sum(taken.amount for taken in self._taken) + amount - self.limit
        if excess <= 0 or not self._taken:
            return 0.0
        for taken in self._taken:
            excess -= taken.amount
            if excess <= 0:
                break
        return taken.at + self.seconds - now

    def take(self, now: float, amount: float) -> Taken:
        """Count an amount from now on."""
        taken = Taken(now, amount)
        if self.limit < float("inf"):
            self._taken.append(taken)
        return taken


class Gate:
    """Where calls wait their turn, first come first served."""

    def __init__(self, quota: Quota, clock: Clock) -> None:
        self._clock = clock
        self._places = asyncio.Semaphore(quota.in_flight)
        self._turn = asyncio.Lock()
        self._requests = Window(quota.requests_per_minute or float("inf"))
        self._tokens = Window(quota.tokens_per_minute or float("inf"))
        self._is_open_at = float("-inf")

    @asynccontextmanager
    async def place(self, tokens: float) -> AsyncIterator[Taken]:
        """A place among the calls in flight, for about so many tokens; set the true amount in what it gives."""
        async with self._places:
            async with self._turn:
                while (seconds := self._wait(tokens)) > 0:
                    await self._clock.sleep(seconds)
                now = self._clock.now()
                self._requests.take(now, 1)
                taken = self._tokens.take(now, tokens)
            yield taken

    def pause(self, seconds: float) -> None:
        """Begin no call for so long: the service said so to one of us, and means all."""
        self._is_open_at = max(self._is_open_at, self._clock.now() + seconds)

    def _wait(self, tokens: float) -> float:
        now = self._clock.now()
        return max(self._is_open_at - now, self._requests.wait(now, 1), self._tokens.wait(now, tokens))
