"""Scores with their intervals, and two candidates over the same samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from viscodex.eval.stats import compare, estimate
from viscodex.merge.search import Score


def interval(samples: Mapping[str, float]) -> Score:
    """The mean over samples with its 95 % interval, as evaluations report it (`eval.stats`)."""
    values = list(samples.values())
    if any(not math.isfinite(value) for value in values):
        return Score(float(np.mean(values)), samples=samples)
    found = estimate(values)
    return Score(found.mean, found.low, found.high, samples) if found else Score(math.nan)


def difference(a: Score, b: Score) -> dict[str, Any]:
    """B minus A over the samples both have: mean, 95 % interval, ups and downs, p."""
    shared = [name for name in a.samples if name in b.samples]
    return asdict(compare([a.samples[name] for name in shared], [b.samples[name] for name in shared]))
