"""The compiled inner loop of weighted sums, where it was built (kernel.c); numpy does the same without it."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Sequence
from pathlib import Path

from viscodex.checkpoint.dtypes import Words


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled kernel; None where no compiler was at hand at installation, or with VISCODEX_KERNEL=0."""
    built = sorted(Path(__file__).parent.glob("_kernel*.so"))
    if not built or os.environ.get("VISCODEX_KERNEL") == "0":
        return None
    try:
        loaded = ctypes.CDLL(str(built[0]))
        function = loaded.viscodex_weighted_sum_bf16
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]
    function.restype = ctypes.c_int
    return loaded


def weighted_sum_bf16(words: Sequence[Words], coefficients: Sequence[float], out: Words) -> bool:
    """Σ cᵢ xᵢ over bfloat16 words into `out`: the bits of `weighted_sum` followed by `encode`. Needs `library()`.

    Returns whether all results are finite.
    """
    loaded = library()
    assert loaded is not None
    terms = [(x, c) for x, c in zip(words, coefficients, strict=True) if c != 0.0]
    if not terms:
        out[...] = 0
        return True
    if any(x.size != out.size or not x.flags.c_contiguous for x, _ in terms) or not out.flags.c_contiguous:
        raise ValueError("operands must be contiguous and of one size")
    pointers = (ctypes.c_void_p * len(terms))(*(x.ctypes.data for x, _ in terms))
    weights = (ctypes.c_double * len(terms))(*(c for _, c in terms))
    return not loaded.viscodex_weighted_sum_bf16(out.ctypes.data, pointers, weights, len(terms), out.size)
