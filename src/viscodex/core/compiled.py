"""Our own inner loops in C, where they were built: what they do is done slower without them, to the same bits."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path


def compiled(folder: Path, name: str) -> ctypes.CDLL | None:
    """The library `name` in a package's folder; None without a compiler at installation, or with VISCODEX_KERNEL=0."""
    built = sorted(folder.glob(f"{name}*.so"))
    if not built or os.environ.get("VISCODEX_KERNEL") == "0":
        return None
    try:
        return ctypes.CDLL(str(built[0]))
    except OSError:
        return None
