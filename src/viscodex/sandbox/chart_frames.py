"""How a chart's zygote and the sandbox speak: one JSON object and one blob a frame, both with their length in front.

Runs on both sides of the jail's wall, so it imports nothing but the standard library. A frame says itself where it
ends: nobody waits for end-of-file, so a process that keeps a pipe open delays nothing.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any

LENGTHS = struct.Struct("!II")
CHUNK = 1 << 16
MIB = 1 << 20
PIXEL_CEILING = 100_000_000
"""Of a picture: nothing larger is drawn inside, and nothing larger is believed outside."""


class FrameError(Exception):
    """What came is not a frame, or is larger than a frame may be."""


def pack(header: dict[str, Any], blob: bytes = b"") -> bytes:
    """A whole frame."""
    text = json.dumps(header).encode()
    return LENGTHS.pack(len(text), len(blob)) + text + blob


class Incoming:
    """The beginning of a frame, until all of it has come."""

    def __init__(self, header_ceiling: int = 32 * MIB, blob_ceiling: int = 64 * MIB) -> None:
        self.content = bytearray()
        self._ceilings = (header_ceiling, blob_ceiling)

    def feed(self, chunk: bytes) -> None:
        self.content += chunk
        self._check_lengths()

    @property
    def is_complete(self) -> bool:
        return len(self.content) >= LENGTHS.size and len(self.content) >= self._end()

    def take(self) -> bytes:
        """The complete frame, still packed; what follows it stays for the next."""
        end = self._end()
        frame = bytes(self.content[:end])
        del self.content[:end]
        return frame

    def _end(self) -> int:
        header, blob = LENGTHS.unpack_from(self.content)
        return LENGTHS.size + int(header) + int(blob)

    def _check_lengths(self) -> None:
        """Refuse a frame by what it announces, before its content is taken in."""
        if len(self.content) >= LENGTHS.size:
            lengths = LENGTHS.unpack_from(self.content)
            if any(length > ceiling for length, ceiling in zip(lengths, self._ceilings, strict=True)):
                raise FrameError(f"a frame of {lengths[0]} + {lengths[1]} bytes")


def unpack(frame: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and blob of a packed frame."""
    if len(frame) < LENGTHS.size:
        raise FrameError("a frame without lengths")
    header_length, blob_length = LENGTHS.unpack_from(frame)
    text = frame[LENGTHS.size : LENGTHS.size + header_length]
    blob = frame[LENGTHS.size + header_length :]
    if len(blob) != blob_length:
        raise FrameError("a frame whose lengths do not add up")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a frame without JSON: {error}") from None
    if not isinstance(header, dict):
        raise FrameError("a frame whose JSON is not an object")
    return header, blob


def write_all(fd: int, data: bytes) -> None:
    """Write to a blocking descriptor."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
