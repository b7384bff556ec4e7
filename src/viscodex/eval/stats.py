"""Means with intervals, and paired comparisons. Values are one per sample: its answers are averaged first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
Z95 = 1.959963984540054  # the normal distribution's 97.5 % point
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` samples and its 95 % interval. `method` is "wilson" for yes/no values, else "bootstrap"."""

    mean: float
    low: float
    high: float
    n: int
    method: str


@dataclass(frozen=True)
class Comparison:
    """B minus A over the same samples: mean difference, its 95 % interval, and how many samples rose, stayed or fell.

    `p` is exact: McNemar's for yes/no values, else the sign test's; small means that chance alone would rarely do it.
    """

    difference: float
    low: float
    high: float
    n: int
    better: int
    equal: int
    worse: int
    p: float


def estimate(values: Sequence[float], seed: int = 0) -> Estimate | None:
    """The mean of values in [0, 1] with a 95 % interval; None without values."""
    if not values:
        return None
    array = np.asarray(values, dtype=np.float64)
    mean = float(math.fsum(values) / len(values))
    if np.isin(array, (0.0, 1.0)).all():
        return Estimate(mean, *wilson(int(array.sum()), len(array)), len(array), "wilson")
    return Estimate(mean, *_percentiles(_bootstrap_means(array, seed)), len(array), "bootstrap")


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share k/n (Wilson 1927); it stays inside [0, 1] and is sound for small n."""
    share, z2 = successes / n, Z95 * Z95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return (0.0 if successes == 0 else middle - half), (1.0 if successes == n else middle + half)


def compare(a: Sequence[float], b: Sequence[float], seed: int = 0) -> Comparison:
    """Paired: `a[i]` and `b[i]` belong to the same sample. Differences are resampled, so what both share cancels."""
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape or not len(first):
        raise ValueError(f"pairs are needed, not {len(first)} and {len(second)} values")
    change = second - first
    better, worse = int((change > 0).sum()), int((change < 0).sum())
    low, high = _percentiles(_bootstrap_means(change, seed))
    mean = math.fsum(change.tolist()) / len(change)
    equal = len(change) - better - worse
    return Comparison(mean, low, high, len(change), better, equal, worse, sign_test(better, worse))


def sign_test(better: int, worse: int) -> float:
    """Two-sided exact p of `better` against `worse` ups and downs, if both were equally likely."""
    n, k = better + worse, min(better, worse)
    if n == 0:
        return 1.0
    logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2) for i in range(k + 1)]
    return min(1.0, 2 * math.fsum(map(math.exp, logs)))


def pass_at_k(correct: int, n: int, k: int) -> float:
    """The chance that one of k answers drawn from n, of which `correct` pass, does: 1 − C(n−c, k)/C(n, k)."""
    if not 1 <= k <= n:
        raise ValueError(f"k lies between 1 and the {n} answers, not {k}")
    return 1.0 - math.comb(n - correct, k) / math.comb(n, k)


def _bootstrap_means(values: Values, seed: int) -> Values:
    """Means of `RESAMPLES` samples drawn with replacement; in pieces, so that 5,000 samples need no gigabyte."""
    random = np.random.default_rng(seed)
    piece = max(1, 2_000_000 // len(values))
    sizes = [min(piece, RESAMPLES - start) for start in range(0, RESAMPLES, piece)]
    return np.concatenate([values[random.integers(0, len(values), (size, len(values)))].mean(axis=1) for size in sizes])


def _percentiles(means: Values) -> tuple[float, float]:
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)
