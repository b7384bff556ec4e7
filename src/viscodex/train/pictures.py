"""A picture's encoded bytes: in memory, or somewhere in a file. Read when they are needed, from any thread."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Image


@dataclass(frozen=True)
class Picture:
    """Bytes, or `nbytes` of a file from `start`."""

    data: bytes | None = None
    path: str = ""
    start: int = 0
    nbytes: int = 0

    def read(self) -> bytes:
        """The encoded bytes (PNG, JPEG, …)."""
        return read_range(self.path, self.start, self.nbytes) if self.data is None else self.data

    def image(self) -> Image:
        """The same as the noun that can be decoded."""
        return Image(data=self.read())


def read_range(path: str, start: int, nbytes: int) -> bytes:
    """`nbytes` of a file from `start`."""
    try:
        data = os.pread(_descriptor(path), nbytes, start)
    except OSError as error:
        raise VisCodexError(f"cannot read prepared data: {error.strerror}", where=path) from error
    if len(data) != nbytes:
        raise VisCodexError(f"prepared data is cut short: {len(data)} of {nbytes} bytes", path, "remove its folder")
    return data


@lru_cache(maxsize=64)
def _descriptor(path: str) -> int:
    return os.open(path, os.O_RDONLY)
