"""What a stage says about a row: keep it, reject it with a reason, or, when our own code broke, fail.

A stage is a function row → `Keep` | `Reject`. What it raises becomes `Fail` and never leaves the runner.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from viscodex.core.errors import visible

T = TypeVar("T")


@dataclass(frozen=True)
class Keep(Generic[T]):
    """The row goes on, as it came or changed."""

    row: T


@dataclass(frozen=True)
class Reject:
    """The row is not wanted: `reason` is a word that can be counted, `detail` a line for people. A final verdict."""

    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Fail:
    """The row could not be judged, after so many tries: an exception's name, "died", "hung". Not the row's verdict."""

    reason: str
    detail: str = ""
    tries: int = 1

    def after(self, tries: int) -> Fail:
        """The same failure, as the last one of `tries`."""
        return replace(self, tries=tries)


Result = Keep[T] | Reject | Fail


def attempt(work: Callable[..., Result[T]], *arguments: Any) -> Result[T]:
    """Do the work on one row; whatever it raises, and `sys.exit` too, is a `Fail`."""
    try:
        result = work(*arguments)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the boundary: one row must not stop the others
        return failure(error)
    if isinstance(result, Keep | Reject | Fail):
        return result
    return Fail("TypeError", f"a stage returns Keep or Reject, not {type(result).__name__}")


def failure(error: BaseException) -> Fail:
    """An exception as a `Fail`: its name, its message, and the line it comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return Fail(type(error).__name__, visible(str(error), 2000) + place)


@dataclass
class Tally:
    """How the rows of a stage fared. `check` asserts that none is lost."""

    stage: str
    seen: int = 0
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result[Any]) -> None:
        """Count a verdict; the row itself is counted in `seen` when it comes in."""
        match result:
            case Keep():
                self.kept += 1
            case Reject(reason):
                self.rejected[reason] += 1
            case Fail(reason):
                self.failed[reason] += 1

    def check(self) -> None:
        """seen = kept + rejected + failed."""
        settled = self.kept + self.rejected.total() + self.failed.total()
        assert self.seen == settled, f"{self.stage}: {self.seen} rows seen, {settled} accounted for"
