"""How a build goes, one line a stage: rows, what became of them and why, rows a second, tokens and cost, time left."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from viscodex.core import console
from viscodex.runner.cache import Cost
from viscodex.runner.stage import Tally

NOTE_S = 0.2  # between two looks at the numbers
REASONS = 3


@dataclass
class Watcher:
    """Hears of every verdict, and shows what a person wants to know a few times a second."""

    category: str
    _stage: str = ""
    _shown: int = 0
    _last: float = 0.0
    _progress: Any = field(default=None)
    _open: Any = field(default=None)

    def __call__(self, tally: Tally, total: int, cost: Cost) -> None:
        if tally.stage != self._stage:
            self.close()
            self._begin(tally, total)
        done = tally.kept + tally.rejected.total() + tally.failed.total()
        now = time.monotonic()
        if now - self._last >= NOTE_S or done == total:
            self._last = now
            self._progress.advance(done - self._shown, note(tally, cost))
            self._shown = done

    def close(self) -> None:
        """The stage is over."""
        if self._open is not None:
            self._open.__exit__(None, None, None)
            self._open, self._stage = None, ""

    def _begin(self, tally: Tally, total: int) -> None:
        self._stage, self._shown = tally.stage, 0
        name = "/".join(tally.stage.split("/")[:2]) if "/" in tally.stage else f"{self.category}/{tally.stage}"
        self._open = console.progress(name, total or None, "rows")
        self._progress = self._open.__enter__()


def note(tally: Tally, cost: Cost) -> str:
    """`812 kept, 31 rejected (blank 20, no_code 11), 2 failed; 1,204,000 tokens, 0.83`."""
    text = f"{tally.kept:,} kept"
    for name, counts in (("rejected", tally.rejected), ("failed", tally.failed)):
        if counts:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common(REASONS))
            text += f", {counts.total():,} {name} ({reasons})"
    if cost.tokens:
        text += f"; {cost.tokens:,} tokens, {cost.money:.2f} in money"
    return text
