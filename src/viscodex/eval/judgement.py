"""What a judge said about one answer, and what several judgements say together."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

THRESHOLDS = (50, 60, 70, 80, 90)


class Judgement(BaseModel):
    """`value` is the median of the samples, in [0, 1]; None with status judge_error: not known, and never 0.

    `samples` holds None where a sample could not be read. `spread` is largest less smallest, `flip_rate` the share of
    samples on the other side of the pass mark than the median. `replies` are raw, repairs included, in order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float | None
    status: Literal["judged", "judge_error"] = "judged"
    reason: str = ""
    detail: str = ""
    samples: tuple[float | None, ...] = ()
    spread: float = 0.0
    flip_rate: float = 0.0
    replies: tuple[str, ...] = Field(default=(), repr=False)
    judge: str = ""
    rubric: str = ""
    rubric_sha256: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


def spread(values: Sequence[float]) -> float:
    """How far apart judgements of one answer lie."""
    return max(values) - min(values) if values else 0.0


def flip_rate(values: Sequence[float], pass_mark: float) -> float:
    """The share of judgements that disagree with their median on whether an answer passes."""
    if not values:
        return 0.0
    passes = statistics.median(values) >= pass_mark
    return sum((value >= pass_mark) != passes for value in values) / len(values)


def threshold_sweep(values: Iterable[float | None], thresholds: Sequence[int] = THRESHOLDS) -> dict[int, float | None]:
    """Threshold in points of 100 → the share of judged answers that reach it; None when none was judged."""
    judged = [value for value in values if value is not None]
    if not judged:
        return dict.fromkeys(thresholds)
    return {mark: sum(round(100 * value, 6) >= mark for value in judged) / len(judged) for mark in thresholds}
