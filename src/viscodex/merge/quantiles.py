"""The magnitude at a given rank, exact, from two readings of a tensor instead of a sort.

As bit patterns, float32 magnitudes order like integers: a histogram of the upper 16 bits finds the bin of the rank, and
one of the lower 15 bits the value within it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viscodex.merge.block import as_float32

UPPER, LOWER = 1 << 16, 1 << 15  # bins of the two readings
Counts = NDArray[np.int64]
Bins = Sequence[Sequence[int]]  # per array, those upper bins whose elements are counted by their lower bits

# None: one histogram of the upper bits per array. Bins: of the lower bits, one per bin, array after array.
Histograms = Callable[[Bins | None], list[Counts]]


def rank_of(share: float, count: int) -> int:
    """How many of `count` elements a share is, rounded up: 0.07 of 100 are 7, though in floats 0.07 · 100 > 7."""
    return min(math.ceil(share * count * (1 - 1e-12)), count)


def magnitude_limits(histograms: Histograms, shares: Sequence[float]) -> list[tuple[float, ...]]:
    """Exact magnitude at rank ⌈share · n⌉ from the largest, for each array and each share."""
    return limits_at(histograms, lambda count: [rank_of(share, count) for share in shares])


def limits_at(histograms: Histograms, ranks_of: Callable[[int], Sequence[int]]) -> list[tuple[float, ...]]:
    """Magnitudes at ranks from the largest (1), for each array; rank 0 is infinity."""
    coarse = histograms(None)
    wanted = ranks_of(int(coarse[0].sum()))
    found = [[_bin_at(histogram, rank) for rank in wanted] for histogram in coarse]
    fine = iter(histograms([[top for top, _ in places] for places in found]))
    return [
        tuple(_value(next(fine), top, rank, above) for rank, (top, above) in zip(wanted, places, strict=True))
        for places in found
    ]


def histograms_of(stream: Callable[[], Iterable[Sequence[Any]]]) -> Histograms:
    """Histograms over a stream of arrays that can be read again."""

    def count(bins: Bins | None) -> list[Counts]:
        totals: list[Counts] = []
        for arrays in stream():
            counts = [c for i, array in enumerate(arrays) for c in _count(array, None if bins is None else bins[i])]
            totals = [a + b for a, b in zip(totals, counts, strict=True)] if totals else counts
        return totals

    return count


def _count(array: NDArray[Any], bins: Sequence[int] | None) -> list[Counts]:
    bits = as_float32(abs(array)).ravel().view(np.int32)
    upper = bits >> 15
    if bins is None:
        return [np.bincount(upper, minlength=UPPER)]
    return [np.bincount(bits[upper == top] & (LOWER - 1), minlength=LOWER) for top in bins]


def _bin_at(histogram: Counts, rank: int) -> tuple[int, int]:
    """The bin that holds the element of this rank from the top, and how many elements lie above the bin."""
    from_top = np.cumsum(histogram[::-1])
    position = int(np.searchsorted(from_top, max(rank, 1)))
    position = min(position, len(histogram) - 1)
    above = int(from_top[position - 1]) if position else 0
    return len(histogram) - 1 - position, above


def _value(lower: Counts, top: int, rank: int, above: int) -> float:
    if rank == 0:
        return float("inf")
    low, _ = _bin_at(lower, rank - above)
    return float(np.array([(top << 15) | low], dtype=np.uint32).view(np.float32)[0])
