"""Asking a program on this machine a short question. The only processes started outside the sandbox."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any

SECONDS = 10.0


def first_line(argv: Sequence[str], **options: Any) -> str | None:
    """The first line a program prints, or None when it is absent, fails, or takes too long."""
    try:
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, **options
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    return done.stdout.decode(errors="replace").strip().partition("\n")[0]
