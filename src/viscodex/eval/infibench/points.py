"""What a metric gives, and the two ways in which it may not give anything."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Points:
    """Points out of a total, with a word per rule, blank or test."""

    points: float
    total: float
    trace: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """In [0, 1]; 0 where there is nothing to gain."""
        return min(1.0, max(0.0, self.points / self.total)) if self.total > 0 else 0.0


class UnmeasuredError(Exception):
    """We could not measure (no runtime, no box, a pattern without end): the sample is unscored."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class RefusedError(Exception):
    """The answer is of a kind that no metric can take (absurdly long): it fails, with this reason."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
