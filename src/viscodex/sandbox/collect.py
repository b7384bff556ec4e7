"""Files out of a box: only the names asked for, only plain files, only while nothing can change them."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import PurePosixPath

from viscodex.core.errors import VisCodexError
from viscodex.sandbox.jail import checked_name

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PIXELS = 64_000_000


def collect(work: int, names: Iterable[str], ceiling: int) -> dict[str, bytes]:
    """Read the named files below the folder `work`; what is missing, too large or not a plain file is left out.

    Every step of a path is opened without following links, so a link planted anywhere leads nowhere. Call it when the
    box's processes are dead: then what is checked is what is read.
    """
    found = {}
    for name in names:
        with contextlib.suppress(OSError):
            content = _read_plain(work, PurePosixPath(checked_name(name)).parts, ceiling)
            if content is not None:
                found[name] = content
    return found


def _read_plain(folder: int, parts: tuple[str, ...], ceiling: int) -> bytes | None:
    with contextlib.ExitStack() as opened:
        for part in parts[:-1]:
            folder = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            opened.callback(os.close, folder)
        # O_PATH first: opening a FIFO would wait for a writer, opening a device could do anything
        place = os.open(parts[-1], os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        opened.callback(os.close, place)
        state = os.fstat(place)
        if not stat.S_ISREG(state.st_mode) or state.st_size > ceiling:
            return None
        fd = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        with open(fd, "rb") as file:  # noqa: PTH123 (a descriptor has no path)
            return file.read(ceiling)


def png_size(data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Width and height from a PNG's header, before any pixel is decoded; an error for what is no PNG or too large."""
    if len(data) < 33 or not data.startswith(PNG_SIGNATURE) or data[12:16] != b"IHDR":
        raise VisCodexError("the program's picture is not a PNG")
    width, height = struct.unpack(">II", data[16:24])
    if not 0 < width * height <= max_pixels:
        raise VisCodexError(f"the program's picture is {width}×{height} pixels", hint=f"at most {max_pixels} pixels")
    return width, height
