"""Random numbers by place: each depends on seed, tensor, model and element alone, not on order or threads."""

from __future__ import annotations

import numpy as np
import xxhash
from numpy.typing import NDArray

STEP, FIRST, SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def key_of(seed: int, tensor: str, model: int) -> int:
    """The key of one model's numbers in one tensor, 64 bits."""
    return xxhash.xxh3_64_intdigest(f"{seed}/{tensor}/{model}".encode())


def uniform(key: int, place: int, count: int) -> NDArray[np.float32]:
    """Numbers in [0, 1) for elements [place, place + count): multiples of 2⁻²⁴.

    Counted, not drawn: pair j of elements takes the two halves of the j-th number of splitmix64 (Steele, Lea and
    Flood 2014) that began at `key`, the even element the lower half.
    """
    first, last = place // 2, (place + count + 1) // 2
    numbers = np.arange(first + 1, last + 1, dtype=np.uint64)
    numbers *= STEP
    numbers += np.uint64(key)
    for shift, factor in ((30, FIRST), (27, SECOND)):
        numbers ^= numbers >> np.uint64(shift)
        numbers *= factor
    numbers ^= numbers >> np.uint64(31)
    halves = numbers.astype("<u8", copy=False).view("<u4")[place % 2 :][:count]
    halves >>= np.uint32(8)
    values = halves.astype(np.float32)
    values *= np.float32(2.0**-24)
    return values
