"""Rotary positions of one sample: text counts on, a picture spreads over rows and columns (multimodal RoPE)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def rope_positions(is_image: NDArray[np.bool_], grids: Sequence[tuple[int, int, int]], merge: int) -> NDArray[np.int64]:
    """Positions [4, L] of a sample: the text's own count from 0, then time, height and width.

    `is_image` [L] marks picture tokens, `grids` gives each picture's (time, height, width) in patches, `merge` how many
    patches a side become one token. The first row is what tells the model where a packed sample begins; without it,
    or without the other three, transformers falls back to plain positions and says nothing.
    """
    length = len(is_image)
    positions = np.empty((4, length), np.int64)
    positions[0] = np.arange(length)
    place = count = 0
    for time, height, width in grids:
        rows, columns = height // merge, width // merge
        begin = place + int(np.argmax(is_image[place:]))  # a picture follows: the caller has counted them
        positions[1:, place:begin] = count + np.arange(begin - place)
        count += begin - place
        end = begin + time * rows * columns
        positions[1:, begin:end] = count + np.indices((time, rows, columns)).reshape(3, -1)
        count += max(height, width) // merge
        place = end
    positions[1:, place:] = count + np.arange(length - place)
    return positions
