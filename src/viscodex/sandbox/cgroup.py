"""A control group for each run, where we may make one: the kernel's own cap on memory and processes.

It counts what the watchdog cannot see (socket buffers, page tables) and cannot be outrun. Where no cgroup is writable,
as in most containers, the watchdog and the rlimits stand alone.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from viscodex.sandbox.limits import MIB, Limits

MOUNT = Path("/sys/fs/cgroup")
PREFIX = "viscodex-"
SLACK = 32 * MIB
"""Above `Limits.memory`, so that the watchdog, which can say why, is usually first."""
REMOVAL_PATIENCE_S = 0.2

_counter = itertools.count()


@dataclass(frozen=True)
class Cgroup:
    """One run's groups: `memory` and `pids` are the same folder in cgroup 2."""

    memory: Path
    pids: Path

    @property
    def is_unified(self) -> bool:
        """Whether it is cgroup 2's."""
        return self.memory == self.pids

    def add(self, process: int) -> None:
        """Move a process in; what it starts from now on is born there."""
        for folder in {self.memory, self.pids}:
            _write(f"{folder}/cgroup.procs", str(process))

    def out_of_memory(self) -> bool:
        """Whether the kernel killed something in here for its memory."""
        with contextlib.suppress(OSError):
            for line in _read(f"{self.memory}/{'memory.events' if self.is_unified else 'memory.oom_control'}"):
                key, _, value = line.partition(b" ")
                if key == b"oom_kill":
                    return int(value) > 0
        return False

    def peak(self) -> int:
        """The most memory that was charged at once, page cache included; 0 where the kernel does not tell."""
        with contextlib.suppress(OSError):
            return int(_read(f"{self.memory}/{'memory.peak' if self.is_unified else 'memory.max_usage_in_bytes'}")[0])
        return 0

    def remove(self) -> None:
        """Delete the groups; the kernel refuses for a moment while the last process is being buried."""
        deadline = time.monotonic() + REMOVAL_PATIENCE_S
        for folder in {self.memory, self.pids}:
            while True:
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        break
                    time.sleep(0.001)


def make(limits: Limits) -> Cgroup | None:
    """A new capped group, or None where that is not allowed."""
    parents = _parents()
    if parents is None:
        return None
    name = f"{PREFIX}{os.getpid()}-{next(_counter)}"
    group = Cgroup(parents["memory"] / name, parents["pids"] / name)
    memory, processes = str(limits.memory + SLACK), str(limits.processes + 8)
    try:
        for folder in {group.memory, group.pids}:
            folder.mkdir()
        if group.is_unified:
            _set(group.memory, {"memory.max": memory, "memory.swap.max": "0", "memory.oom.group": "1"})
        else:
            _set(group.memory, {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory})
        _set(group.pids, {"pids.max": processes})
    except OSError:
        group.remove()
        return None
    return group


def _set(folder: Path, values: Mapping[str, str]) -> None:
    """Write what the kernel offers; some kernels count no swap."""
    for name, value in values.items():
        with contextlib.suppress(FileNotFoundError):
            _write(f"{folder}/{name}", value)


def _write(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)  # never creates
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _read(path: str) -> list[bytes]:
    """The lines of a small file; a Path takes longer to be made than this to be read."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 1 << 16).splitlines()
    finally:
        os.close(fd)


@cache
def _parents() -> dict[str, Path] | None:
    """Where groups can be made, by controller: below our own group in cgroup 1, beside it in cgroup 2."""
    found = _version_2() or _version_1()
    if found is None or not all(os.access(path, os.W_OK) for path in found.values()):
        return None
    try:
        for path in set(found.values()):
            _sweep(path)
            probe = path / f"{PREFIX}{os.getpid()}-probe"
            probe.mkdir()
            probe.rmdir()
    except OSError:
        return None
    return found


def _own_groups() -> dict[str, str]:
    """Controller → path of the group that we are in; the empty controller is cgroup 2."""
    groups: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(","), path)
    return groups


def _version_2() -> dict[str, Path] | None:
    own = MOUNT / _own_groups().get("", "/").lstrip("/")
    for folder in (own.parent if own != MOUNT else own, MOUNT):
        with contextlib.suppress(OSError):
            if {"memory", "pids"} <= set((folder / "cgroup.subtree_control").read_text().split()):
                return {"memory": folder, "pids": folder}
    return None


def _version_1() -> dict[str, Path] | None:
    own = _own_groups()
    named: tuple[str, ...] = ("memory", "pids")
    folders = {name: MOUNT / name / own[name].lstrip("/") for name in named if name in own}
    return folders if len(folders) == 2 and all(folder.is_dir() for folder in folders.values()) else None


def _sweep(parent: Path) -> None:
    """Remove empty groups of sandboxes that were killed."""
    for folder in parent.glob(f"{PREFIX}*-*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()
