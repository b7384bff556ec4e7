"""Give memory back to the system after a burst: glibc keeps what was freed, and a server lives long."""

from __future__ import annotations

import ctypes
import gc
import sys


def give_back() -> None:
    """Costs some milliseconds; elsewhere than on glibc only Python's own garbage goes."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
