"""The compiled inner loops, where they were built (kernel.c); numpy does the same without them."""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from viscodex.checkpoint.dtypes import Words
from viscodex.core.compiled import compiled
from viscodex.merge.quantiles import LOWER, UPPER, Bins, Counts

MOST_MODELS = 8  # MODELS in kernel.c


@dataclass(frozen=True)
class Thinning:
    """What a sparse method keeps of each task vector, and how the rest is combined.

    `limits`: per model the smallest magnitude kept. `keys`: per model the key of the random numbers; those below
    `density` keep an element, divided by `density`. `elects`: sign election and disjoint mean, times `scale`; else sum.
    """

    limits: Sequence[float] | None = None
    keys: Sequence[int] | None = None
    density: float = 1.0
    scale: float = 1.0
    elects: bool = True


class _Thinning(ctypes.Structure):
    """`struct thinning`."""

    _fields_ = [
        ("limits", ctypes.c_void_p),
        ("keys", ctypes.c_void_p),
        ("keep_below", ctypes.c_uint32),
        ("rescale", ctypes.c_float),
        ("scale", ctypes.c_float),
        ("elects", ctypes.c_int),
    ]


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled kernel, if it was built; see `compiled`."""
    loaded = compiled(Path(__file__).parent, "_kernel")
    if loaded is None:
        return None
    pointer, size, place = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64
    try:
        sums, thinned, histogram = (
            loaded.viscodex_weighted_sum_bf16,
            loaded.viscodex_thinned_sum_bf16,
            loaded.viscodex_histogram_bf16,
        )
    except AttributeError:
        return None
    sums.argtypes = [pointer, pointer, pointer, size, size]
    thinned.argtypes = [pointer, pointer, pointer, size, size, place, pointer]
    histogram.argtypes = [pointer, pointer, pointer, size, ctypes.c_int64]
    sums.restype = thinned.restype = ctypes.c_int
    histogram.restype = None
    return loaded


def weighted_sum_bf16(words: Sequence[Words], coefficients: Sequence[float], out: Words) -> bool:
    """Σ cᵢ xᵢ over bfloat16 words into `out`: the bits of `weighted_sum` followed by `encode`. Needs `library()`.

    Returns whether all results are finite.
    """
    terms = [(x, c) for x, c in zip(words, coefficients, strict=True) if c != 0.0]
    if not terms:
        out[...] = 0
        return True
    pointers = _pointers([x for x, _ in terms], out)
    weights = (ctypes.c_double * len(terms))(*(c for _, c in terms))
    return not _loaded().viscodex_weighted_sum_bf16(out.ctypes.data, pointers, weights, len(terms), out.size)


def thinned_sum_bf16(
    words: Sequence[Words], weights: Sequence[float], thinning: Thinning, place: int, out: Words
) -> bool:
    """A sparse method over bfloat16 words, the base's last, for the elements from `place` on of a tensor.

    The bits of `sparse.ties`, `dare_ties` and `dare_linear` followed by `encode`. Returns whether all is finite.
    """
    models = len(weights)
    limits = None if thinning.limits is None else (ctypes.c_float * models)(*thinning.limits)
    keys = None if thinning.keys is None else (ctypes.c_uint64 * models)(*thinning.keys)
    struct = _Thinning(
        ctypes.cast(limits, ctypes.c_void_p) if limits else None,
        ctypes.cast(keys, ctypes.c_void_p) if keys else None,
        math.ceil(float(np.float32(thinning.density)) * 2**24),
        1.0 / thinning.density,
        thinning.scale,
        thinning.elects,
    )
    pointers, factors = _pointers(words, out), (ctypes.c_float * models)(*weights)
    return not _loaded().viscodex_thinned_sum_bf16(
        out.ctypes.data, pointers, factors, models, out.size, place, ctypes.byref(struct)
    )


def count_tasks_bf16(words: Sequence[Words], bins: Bins | None, totals: list[Counts]) -> None:
    """Add to `totals` the histograms of |τᵢ| over bfloat16 words, the base's last (see quantiles.py)."""
    *tuned, base = words
    _pointers(words, base)
    wanted = [(x, top) for i, x in enumerate(tuned) for top in ([-1] if bins is None else bins[i])]
    if not totals:
        totals += [np.zeros(UPPER if bins is None else LOWER, dtype=np.int64) for _ in wanted]
    for (x, top), counts in zip(wanted, totals, strict=True):
        _loaded().viscodex_histogram_bf16(counts.ctypes.data, x.ctypes.data, base.ctypes.data, x.size, top)


def _loaded() -> ctypes.CDLL:
    loaded = library()
    assert loaded is not None
    return loaded


def _pointers(words: Sequence[Words], out: Words) -> Any:
    """The addresses of arrays, which must be contiguous and of one size."""
    if any(x.size != out.size or not x.flags.c_contiguous for x in (*words, out)):
        raise ValueError("operands must be contiguous and of one size")
    return (ctypes.c_void_p * len(words))(*(x.ctypes.data for x in words))
