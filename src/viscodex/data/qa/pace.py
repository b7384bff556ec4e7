"""A rate that several processes keep together: the time of the next turn stands in a file that each locks to change."""

from __future__ import annotations

import fcntl
import time
from dataclasses import dataclass
from pathlib import Path

LONGEST = 60.0
"""Seconds that anyone waits: a clock that was set back, or a spoilt file, must not stop us for hours."""


@dataclass(frozen=True)
class Pace:
    """So many turns a second, however many processes share the file."""

    file: Path
    per_second: float

    def wait(self) -> None:
        """Take the next turn and sleep until it has come."""
        with self.file.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            now = time.time()
            turn = turn_of(file.read(32), now)
            file.seek(0)
            file.truncate()
            file.write(repr(turn + 1.0 / self.per_second))
        time.sleep(max(0.0, turn - now))


def turn_of(text: str, now: float) -> float:
    """The time that a file says, or now."""
    try:
        said = float(text)
    except ValueError:
        return now
    return min(said, now + LONGEST) if said > now else now
