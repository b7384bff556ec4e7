"""Pictures as PNG, quickly. Runs inside the chart environment.

The encoder that matplotlib uses tries five filters for every row; of a chart one of them is nearly always best: the
difference to the row above, which is nothing wherever the chart is plain. The pixels are the same, the time is a third.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
DIFFERENCE_TO_ROW_ABOVE = 2
COLOUR_AND_ALPHA = 6
LEVEL = 3
INCHES_PER_METRE = 1 / 0.0254


class Sink:
    """A file that only takes matplotlib's raw pixels: (height, width, 4) bytes."""

    pixels: Any = None

    def seek(self, *args: Any) -> None:
        """matplotlib knows a file by this."""

    def write(self, pixels: memoryview) -> None:
        self.pixels = np.asarray(pixels)


def encoded(pixels: Any, dpi: float) -> bytes:
    """The PNG of (height, width, 4) bytes. Taking out the fourth would take longer than packing it."""
    height, width, _ = pixels.shape
    rows = pixels.reshape(height, width * 4)
    filtered: Any = np.empty((height, width * 4 + 1), np.uint8)
    filtered[:, 0] = DIFFERENCE_TO_ROW_ABOVE
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    dots = round(dpi * INCHES_PER_METRE)
    header = _part(b"IHDR", struct.pack("!IIBBBBB", width, height, 8, COLOUR_AND_ALPHA, 0, 0, 0))
    resolution = _part(b"pHYs", struct.pack("!IIB", dots, dots, 1))
    return SIGNATURE + header + resolution + _part(b"IDAT", zlib.compress(filtered, LEVEL)) + _part(b"IEND", b"")


def _part(name: bytes, content: bytes) -> bytes:
    return struct.pack("!I", len(content)) + name + content + struct.pack("!I", zlib.crc32(name + content))
