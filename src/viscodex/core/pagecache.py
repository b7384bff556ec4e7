"""Read and write large files without filling memory with them, where Linux can.

The page cache keeps whatever is read and written, and evicts for it what is wanted more: the inputs of a merge make
room for its output. In a virtual machine that hands free memory back, each page must also be asked for anew: 1.6 to
2.8 CPU seconds per GB, against 0.2 for pages that are let go again (measured: docs/lab-notes.md).
"""

from __future__ import annotations

import errno
import mmap
import os
import sys
import threading
from functools import cache

DONTCACHE = 0x80
"""RWF_DONTCACHE of linux/fs.h, which Python has no name for: what was not in the page cache before does not stay."""
SOUND_SINCE = (6, 16)
"""It is older by two releases, in which a page that was written again while it was let go could be lost."""
UNKNOWN = (errno.EOPNOTSUPP, errno.EINVAL)

KEPT_BYTES = 256 << 10
"""Of one call. Linux keeps what it writes in pages as large as the call, up to 2 MiB, and large ones are dear."""
LET_GO_BYTES = 1 << 20
"""Of one call for pages that do not stay: each call starts writing to the disk."""
_one_writes = (
    threading.Lock()
)  # a file has one writer at a time anyway, and threads that wait for the kernel's lock spin


def read_some(file: int, buffer: memoryview, offset: int, *, stays: bool = True) -> int:
    """One read at `offset`, of at most `buffer`; without `stays` it leaves in memory only what was there before."""
    if not stays and can_let_go():
        try:
            return os.preadv(file, [buffer], offset, DONTCACHE)
        except OSError as error:
            if error.errno not in UNKNOWN:
                raise
    return os.preadv(file, [buffer], offset)


def write_all(file: int, data: memoryview, offset: int) -> None:
    """Write all of `data` at `offset`. Pages that it fills are let go as soon as they are on the disk.

    The others, at most two, stay: their neighbours come later, and would have to read them back.
    """
    first = offset + -offset % mmap.PAGESIZE
    last = (offset + len(data)) // mmap.PAGESIZE * mmap.PAGESIZE
    if last - first < KEPT_BYTES or not can_let_go():
        _write(file, data, offset, 0)
        return
    _write(file, data[: first - offset], offset, 0)
    with _one_writes:
        _write(file, data[first - offset : last - offset], first, DONTCACHE)
    _write(file, data[last - offset :], last, 0)


def _write(file: int, data: memoryview, offset: int, flags: int) -> None:
    done = 0
    while done < len(data):
        piece = [data[done : done + (LET_GO_BYTES if flags else KEPT_BYTES)]]
        try:
            done += os.pwritev(file, piece, offset + done, flags)
        except OSError as error:
            if not flags or error.errno not in UNKNOWN:
                raise
            flags = 0  # not on this file system


@cache
def can_let_go() -> bool:
    """Whether this kernel knows how. Not every file system does, which shows when it is tried."""
    if sys.platform != "linux":
        return False
    numbers = os.uname().release.split("-")[0].split(".")
    try:
        return (int(numbers[0]), int(numbers[1])) >= SOUND_SINCE
    except (IndexError, ValueError):
        return False
