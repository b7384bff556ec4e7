"""What a boxed program may use up."""

from __future__ import annotations

import math
import resource
from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

WALL_PER_CPU = 4.0
"""CPU seconds decide; a busy machine may stretch them this far before the wall clock ends the run."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Ceilings of one run, for all its processes together unless said otherwise."""

    cpu_s: float = 10.0
    """CPU seconds, user and system, over every process of the run."""
    wall_s: float | None = None
    """Backstop against sleeping; None means four times `cpu_s`."""
    memory: int = 1 * GIB
    """Resident bytes over every process, files in the box's own tmpfs included."""
    address_space: int | None = 4 * GIB
    """RLIMIT_AS of each process; None for runtimes that reserve far more than they use (Node, Go, C#)."""
    processes: int = 64
    """Processes and threads."""
    file_size: int = 64 * MIB
    """The largest single file that can be written."""
    work_size: int = 256 * MIB
    """Capacity of the work folder's tmpfs."""
    tmp_size: int = 64 * MIB
    """Capacity of /tmp."""
    shm_size: int = 64 * MIB
    """Capacity of /dev/shm."""
    inodes: int = 20_000
    """Files and folders in work, /tmp and /dev/shm together."""
    open_files: int = 256
    """Descriptors of each process."""
    stdout: int = 1 * MIB
    """Bytes read from stdout, and the same again from stderr, before the run ends as `output_limit`."""
    artifact: int = 32 * MIB
    """Bytes of one collected file; a larger one is not collected."""

    @property
    def storage(self) -> int:
        """Bytes of all files together."""
        return self.work_size + self.tmp_size + self.shm_size

    @property
    def wall(self) -> float:
        """The wall clock's backstop in seconds."""
        return self.wall_s if self.wall_s is not None else WALL_PER_CPU * self.cpu_s

    def rlimits(self, already: int = 0) -> dict[int, int]:
        """Per-process ceilings for setrlimit, the kernel's own backstop behind the watchdog; never above our own.

        `already`: processes that the kernel will count with the box's, where there is no namespace to count in.
        """
        wanted = {
            resource.RLIMIT_CPU: math.ceil(self.cpu_s) + 1,
            resource.RLIMIT_FSIZE: self.file_size,
            resource.RLIMIT_NOFILE: self.open_files,
            resource.RLIMIT_NPROC: already + self.processes + 2,  # two are the box's own
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_MEMLOCK: 64 * KIB,
        }
        if self.address_space is not None:
            wanted[resource.RLIMIT_AS] = self.address_space
        hard = {name: resource.getrlimit(name)[1] for name in wanted}
        return {name: value if hard[name] < 0 else min(value, hard[name]) for name, value in wanted.items()}

    def shell_line(self) -> str:
        """The same ceilings as one line of a POSIX shell, for a process that we may not prlimit from outside."""
        ceilings = self.rlimits()
        words = [f"ulimit -{letter} {ceilings[name] // unit}" for name, letter, unit in _ULIMIT if name in ceilings]
        processes = ceilings[resource.RLIMIT_NPROC]
        words.append(f"{{ ulimit -p {processes} || ulimit -u {processes}; }} 2>/dev/null")  # dash and ash, or bash
        return "; ".join(words)


_ULIMIT = (  # option letter and unit of each
    (resource.RLIMIT_CPU, "t", 1),
    (resource.RLIMIT_FSIZE, "f", 512),
    (resource.RLIMIT_NOFILE, "n", 1),
    (resource.RLIMIT_CORE, "c", 512),
    (resource.RLIMIT_MEMLOCK, "l", KIB),
    (resource.RLIMIT_AS, "v", KIB),
)
