"""How long `viscodex --help` takes, between the floor (an empty Python) and what it avoids (importing torch)."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import result

RUNS = 15
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "viscodex --help": ["-m", "viscodex", "--help"],
    "viscodex recipes": ["-m", "viscodex", "recipes"],
    "viscodex doctor": ["-m", "viscodex", "doctor"],
    "import torch": ["-c", "import torch"],
}


def measure(arguments: Sequence[str]) -> tuple[float, float]:
    """Wall and CPU milliseconds of one run of Python, and of what it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1000 * wall, 1000 * cpu


def main() -> None:
    for arguments in COMMANDS.values():
        measure(arguments)  # warm the file cache and the byte code
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):  # in turns, so that a slow moment of the machine falls on all
        for name, arguments in COMMANDS.items():
            times[name].append(measure(arguments))
    rows = [
        {
            "command": f"`{name}`",
            "wall, median (ms)": round(statistics.median(wall for wall, _ in runs)),
            "wall, worst (ms)": round(max(wall for wall, _ in runs)),
            "CPU, median (ms)": round(statistics.median(cpu for _, cpu in runs)),
        }
        for name, runs in times.items()
    ]
    print(result.write("startup", "Starting", rows, f"{RUNS} runs each, in turns, files in the cache."))


if __name__ == "__main__":
    main()
