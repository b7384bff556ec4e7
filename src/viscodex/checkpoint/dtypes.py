"""Number formats of safetensors files, and their exact conversion to and from float32 on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BF16_NAN = 0x7FC0

Words = NDArray[Any]  # a tensor's elements as they lie in the file: uint16 for bfloat16


@dataclass(frozen=True)
class DType:
    """A float format: its safetensors name, torch name, and the integer or float type its words are read as."""

    name: str
    torch_name: str
    words: np.dtype[Any]
    largest: float

    @property
    def bytes(self) -> int:
        return self.words.itemsize


FLOATS: dict[str, DType] = {
    "BF16": DType("BF16", "bfloat16", np.dtype("<u2"), 3.3895313892515355e38),
    "F16": DType("F16", "float16", np.dtype("<f2"), 65504.0),
    "F32": DType("F32", "float32", np.dtype("<f4"), float(np.finfo(np.float32).max)),
    "F64": DType("F64", "float64", np.dtype("<f8"), float(np.finfo(np.float64).max)),
}

# Bytes per element of every name the safetensors format knows; formats under one byte cannot be merged anyway.
SIZES: dict[str, float] = {
    **{name: dtype.bytes for name, dtype in FLOATS.items()},
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "U16": 2,
    "I16": 2,
    "U32": 4,
    "I32": 4,
    "U64": 8,
    "I64": 8,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "F8_E8M0": 1,
    "F8_E4M3FNUZ": 1,
    "F8_E5M2FNUZ": 1,
    "C64": 8,
    "F4": 0.5,
    "F6_E2M3": 0.75,
    "F6_E3M2": 0.75,
}


def by_torch_name(name: str) -> DType | None:
    """`bfloat16` → BF16; None for what is no supported float."""
    return next((dtype for dtype in FLOATS.values() if dtype.torch_name == name), None)


def decode(words: Words, dtype: DType) -> NDArray[Any]:
    """Exact value of each word, as a new array: float32, or float64 for F64."""
    if dtype.name == "BF16":
        bits = words.astype(np.uint32)
        bits <<= np.uint32(16)
        return bits.view(np.float32)
    return words.astype(np.float64 if dtype.name == "F64" else np.float32)


def encode(values: NDArray[Any], dtype: DType, out: Words) -> None:
    """Round to `dtype`, to nearest even, into `out`.

    float64 values become float32 first. Decimal weights put a few percent of all merged bfloat16 values exactly
    half-way between two neighbours; float64 noise would decide those, float32 sees the tie and takes the even one.
    """
    if dtype.name == "F64":
        out[...] = values
        return
    with np.errstate(over="ignore"):  # a value too large becomes Inf, which the caller refuses by name
        rounded = values.astype(np.float32, copy=False)
        if dtype.name != "BF16":
            out[...] = rounded
            return
    bits = rounded.view(np.uint32)
    half = bits >> np.uint32(16)
    half &= np.uint32(1)
    half += bits
    half += np.uint32(0x7FFF)
    half >>= np.uint32(16)
    out[...] = half
    if rounded.size and np.isnan(rounded.max()):  # adding 0x7FFF may have carried one into the sign, and on to zero
        out[np.isnan(rounded)] = _BF16_NAN


def has_nonfinite(words: Words, dtype: DType) -> bool:
    """Whether any word is NaN or an infinity."""
    return _NONFINITE[dtype.name](words)


def _nonfinite_bf16(words: Words) -> bool:
    # As unsigned numbers the positive non-finite words are 0x7F80…0x7FFF, the negative ones 0xFF80…0xFFFF.
    if words.size == 0:
        return False
    return int(words.max()) >= 0xFF80 or int(words.view(np.int16).max()) >= 0x7F80


def _nonfinite_float(words: Words) -> bool:
    return not bool(np.isfinite(words).all())


_NONFINITE: dict[str, Callable[[Words], bool]] = {
    "BF16": _nonfinite_bf16,
    "F16": _nonfinite_float,
    "F32": _nonfinite_float,
    "F64": _nonfinite_float,
}
