"""How much a jail has used, and whether that is too much."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from viscodex.sandbox.limits import Limits

Excess = Literal["timeout", "memory", "output_limit", "error"]

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE = resource.getpagesize()
OWN_PROCESSES = 2
"""A box's own: its init, or its launcher."""
FIRST_LOOK_S, SLOWEST_LOOK_S = 0.01, 0.05


@dataclass(frozen=True)
class ProcessUse:
    """One process, now."""

    key: tuple[int, int]
    """Process id and start time: ids are used again."""
    own_s: float
    reaped_s: float
    """CPU of children it has waited for."""
    parent: int
    threads: int
    resident: int
    proc: int
    """Descriptor of the /proc that lists it."""

    def proportional(self) -> int:
        """Its memory with shared pages divided among the sharers; nothing once it is gone."""
        try:
            text = _read(self.proc, f"{self.key[0]}/smaps_rollup")
        except PermissionError:
            return self.resident
        except OSError:
            return 0
        return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(b"Pss:")), 0)


@dataclass
class Watchdog:
    """Samples of one box."""

    limits: Limits
    processes: Callable[[], Iterator[ProcessUse]]
    stored: Callable[[], tuple[int, int]]
    """Bytes and inodes in its folders."""
    cpu_s: float = 0.0
    rss_peak: int = 0
    _seen: dict[tuple[int, int], float] = field(default_factory=dict)

    def look(self) -> Excess | None:
        """Take a sample; name the limit that is passed, if any."""
        processes = list(self.processes())
        for process in processes:
            self._seen[process.key] = process.own_s
        # Times of children whose parent never waits are in no one's count; the last seen own times are.
        waited = sum(p.own_s + p.reaped_s for p in processes)
        self.cpu_s = max(self.cpu_s, waited, sum(self._seen.values()))
        files, inodes = self.stored()
        memory = sum(p.resident for p in processes)
        if memory + files > self.limits.memory:
            memory = sum(p.proportional() for p in processes)  # shared pages once
        self.rss_peak = max(self.rss_peak, memory + files)
        if memory + files > self.limits.memory:
            return "memory"
        if self.cpu_s >= self.limits.cpu_s:
            return "timeout"
        if sum(p.threads for p in processes) > self.limits.processes + OWN_PROCESSES:
            return "error"  # only where the kernel cannot count per box: a fork there fails by itself
        full = files > self.limits.storage or inodes > self.limits.inodes
        return "output_limit" if full else None


def stored_in(folders: tuple[int, ...]) -> tuple[int, int]:
    """Bytes and inodes of the tmpfs mounts that these descriptors are roots of."""
    states = [os.fstatvfs(folder) for folder in folders]
    used = sum((state.f_blocks - state.f_bfree) * state.f_frsize for state in states)
    return used, sum(state.f_files - state.f_ffree for state in states)


def processes_in(proc: int) -> Iterator[ProcessUse]:
    """Every process that this /proc lists."""
    names: list[str] = []
    with contextlib.suppress(OSError):  # the /proc of a box that has just ended
        names = os.listdir(proc)
    for name in names:
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                yield _read_process(proc, name)


def _read_process(proc: int, name: str) -> ProcessUse:
    fields = _read(proc, f"{name}/stat").rpartition(b")")[2].split()  # the command before ")" can hold anything
    user, system, reaped_user, reaped_system = (int(f) for f in fields[11:15])
    return ProcessUse(
        key=(int(name), int(fields[19])),
        parent=int(fields[1]),
        threads=int(fields[17]),
        own_s=(user + system) * TICK_S,
        reaped_s=(reaped_user + reaped_system) * TICK_S,
        resident=int(fields[21]) * PAGE,
        proc=proc,
    )


def _read(proc: int, path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        return os.read(fd, 65536)
    finally:
        os.close(fd)
