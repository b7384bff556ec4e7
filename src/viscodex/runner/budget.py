"""A stop before too much is spent: every call sets aside the most it can cost before it is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import BaseModel, ConfigDict, Field

from viscodex.core.chat import AskError
from viscodex.runner.cache import Cost


class Prices(BaseModel):
    """Money for a million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: float = Field(default=0.0, ge=0, description="For a million tokens read.")
    completion: float = Field(default=0.0, ge=0, description="For a million tokens written.")

    def cost(self, prompt_tokens: int, completion_tokens: int) -> Cost:
        money = (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6
        return Cost(prompt_tokens, completion_tokens, money)


class Budget(BaseModel):
    """Where to stop. It counts what a ledger has spent in all its runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: int = Field(default=0, ge=0, description="Tokens read and written, in all; 0: no limit.")
    money: float = Field(default=0.0, ge=0, description="In the currency of the prices, in all; 0: no limit.")

    def allows(self, cost: Cost) -> bool:
        """Whether so much may be spent in all."""
        return not (self.tokens and cost.tokens > self.tokens) and not (self.money and cost.money > self.money)


class Purse:
    """What is spent and what is set aside, of one ledger. It is never overdrawn where the estimates hold."""

    def __init__(self, budget: Budget, spent: Cost = Cost()) -> None:
        self.budget = budget
        self.spent = spent
        self._aside = Cost()
        self._calls = 0
        self._change = asyncio.Condition()

    @asynccontextmanager
    async def aside(self, most: Cost) -> AsyncIterator[None]:
        """Set the most a call can cost aside while it runs; what it did cost goes to `pay`.

        When it does not fit beside the calls in flight, wait for them, which rarely cost the most; when it does not fit
        alone, the budget is spent (AskError).
        """
        async with self._change:
            while not self.budget.allows(self.spent + self._aside + most):
                if not self._calls:
                    raise AskError(
                        "budget",
                        f"the budget is spent: {self.spent.tokens:,} tokens, {self.spent.money:.4f} in money",
                        hint="a larger budget; what was answered is kept, and is not paid again",
                    )
                await self._change.wait()
            self._aside += most
            self._calls += 1
        try:
            yield
        finally:
            self._aside -= most
            self._calls -= 1
            await asyncio.shield(self._wake())

    def pay(self, cost: Cost) -> None:
        """Count what a call did cost."""
        self.spent += cost

    async def _wake(self) -> None:
        async with self._change:
            self._change.notify_all()
