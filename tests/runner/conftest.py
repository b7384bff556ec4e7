"""Processes of the runner's tests: which are alive, and that none is left."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def children() -> set[int]:
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread that has just ended
            found |= set(map(int, (task / "children").read_text().split()))
    return found


@pytest.fixture
def gone() -> Callable[[int], bool]:
    """`gone(pid)`: whether a process ends, given a moment."""

    def ends(pid: int, seconds: float = 10.0) -> bool:
        deadline = time.monotonic() + seconds
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        return not alive(pid)

    return ends


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    before = children()
    yield
    deadline = time.monotonic() + 5
    while (left := {pid for pid in children() - before if alive(pid)}) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left


@pytest.fixture
def open_files() -> Callable[[], int]:
    """How many files this process has open, what earlier tests left to the collector apart."""

    def count() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    return count
