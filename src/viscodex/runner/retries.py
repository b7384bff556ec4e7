"""When to ask again: what can pass is tried again, later and later; who asks us to wait is waited for."""

from __future__ import annotations

import email.utils
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from viscodex.core.chat import AskError, Fault

PASSING: frozenset[Fault] = frozenset({"rate", "server", "timeout", "connection", "reply"})
FIRST_S, LONGEST_S = 1.0, 60.0


class CallError(AskError):
    """A call that failed. The service may ask us to wait so many seconds; it may have answered, and charged."""

    def __init__(
        self, fault: Fault, problem: str, retry_after: float | None = None, hint: str = "", *, is_charged: bool = False
    ) -> None:
        super().__init__(fault, problem, hint=hint)
        self.retry_after = retry_after
        self.is_charged = is_charged


@dataclass
class Retries:
    """The tries of one call. `next` gives the seconds to wait before another, or raises the error for good.

    Back-off with full jitter: a random share of 1, 2, 4, … up to 60 s, so that many callers do not come back together.
    A 429 costs no try but patience.
    """

    tries: int
    patience_s: float
    chance: random.Random = field(default_factory=random.Random)
    failed: int = 0
    refused: int = 0
    waited: float = 0.0

    def next(self, error: CallError) -> float:
        if error.fault not in PASSING:
            raise error
        if error.fault == "rate":
            self.refused += 1
            seconds = self._back_off(self.refused)
            if error.retry_after is not None:
                seconds = error.retry_after + 0.1 * seconds
            self.waited += seconds
            if self.waited > self.patience_s:
                raise error
            return seconds
        self.failed += 1
        if self.failed >= self.tries:
            raise error
        return max(self._back_off(self.failed), error.retry_after or 0.0)

    def _back_off(self, count: int) -> float:
        return self.chance.uniform(0.0, min(LONGEST_S, FIRST_S * 2.0 ** min(count - 1, 10)))


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after`, which is a number of seconds or a date; None: not said."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        try:
            seconds = float(text) * unit
        except ValueError:
            seconds = _until(text, now or datetime.now(UTC)) if unit == 1.0 else -1.0
        if 0.0 <= seconds < float("inf"):
            return seconds
    return None


def _until(text: str, now: datetime) -> float:
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return -1.0
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())
