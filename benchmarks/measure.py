"""Run a command and say what it cost: CPU and wall time, peak memory, and what else the machine was doing.

Imports the standard library only: the peak memory Linux reports of a child begins at that of the process it was
started from, so this one has to stay small.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

TOUCH = "import sys; from mmap import *; mmap(-1, int(sys.argv[1]), MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE)"


@dataclass(frozen=True)
class Usage:
    """One run. Seconds of the whole process tree; `peak_rss` in bytes, of the largest process in it.

    `others` is the CPU time that everything else on the machine took meanwhile (Linux; else 0).
    """

    wall: float
    user: float
    sys: float
    peak_rss: int
    others: float
    load_before: float
    load_after: float

    @property
    def cpu(self) -> float:
        return self.user + self.sys

    def record(self) -> dict[str, float]:
        """For the JSON: rounded to what can be told apart."""
        return {name: round(value, 3) for name, value in asdict(self).items()} | {"cpu": round(self.cpu, 3)}


class CommandFailedError(RuntimeError):
    """A measured command that did not return 0; its last lines are in the message."""


def run(argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> Usage:
    """Run a command to its end and measure it; its output goes to `log`. Raises CommandFailedError."""
    load_before, busy_before, begun = os.getloadavg()[0], busy_seconds(), time.monotonic()
    process = start(argv, log, env)
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        kill(process)
        raise
    wall = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise CommandFailedError(f"exit {process.returncode}: {' '.join(map(str, argv))}\n{tail}")
    others = max(busy_seconds() - busy_before - usage.ru_utime - usage.ru_stime, 0.0)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = usage.ru_maxrss * unit
    return Usage(wall, usage.ru_utime, usage.ru_stime, peak, others, load_before, os.getloadavg()[0])


def start(argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own, its output going to `log`."""
    with log.open("wb") as output:
        return subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )


def kill(process: subprocess.Popen[bytes]) -> int:
    """SIGKILL to the command's process group; returns its exit code (−9, or its own if it was quicker)."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def busy_seconds() -> float:
    """CPU seconds that all processes of the machine have taken since it was started."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    fields = [int(word) for word in stat.read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, *_ = fields
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def touch_memory(nbytes: int) -> None:
    """Use so much memory for a moment in another process, or what is free of it: the page cache is left alone.

    In virtual machines that hand free memory back to their host, the first use of a page costs about 10 µs, and the
    system charges it to whoever comes first. After this the free pages are there for every command alike.
    """
    wanted = min(nbytes, int(0.9 * free_memory()))
    if wanted and hasattr(mmap, "MAP_POPULATE"):
        subprocess.run([sys.executable, "-c", TOUCH, str(wanted)], check=False)


def free_memory() -> int:
    """Bytes that nothing uses, not even the page cache (Linux; else 0)."""
    meminfo = Path("/proc/meminfo")
    lines = meminfo.read_text().splitlines() if meminfo.exists() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemFree:")), 0)


def read_files(folder: Path) -> None:
    """Read every file from the disk once, in order, so that all runs find the same page cache.

    What lay in the cache leaves it before (Linux): reading from the large pages of one long reading costs half of what
    it does from the small ones that writing left there.
    """
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb", buffering=0) as file:
            if hasattr(os, "posix_fadvise"):
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while file.read(8 << 20):
                pass


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
