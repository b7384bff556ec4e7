"""What a box costs: `/bin/true`, boxed, beside the same without a box (the floor) and bare bubblewrap."""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import result
from viscodex.sandbox import backends
from viscodex.sandbox.box import Box

RUNS, QUICK_RUNS = 200, 20
WORKERS = 2
TRUE = ["/bin/true"]
BARE = [
    *("bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"),
    *("--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev"),
    *("--tmpfs", "/tmp", "--as-pid-1"),
]


def plain(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def ways() -> dict[str, Callable[[], None]]:
    """What is compared: each call is one run from nothing to its result."""
    found: dict[str, Callable[[], None]] = {
        "no box (the floor)": lambda: plain(TRUE),
        "bare bubblewrap, no limits": lambda: plain([*BARE, *TRUE]),
    }
    for backend in backends.ISOLATING:
        if not backends.problem(backend):
            box = Box(backend=backend)
            found[f"viscodex, {backend}"] = lambda box=box: run(box)  # type: ignore[misc]
    return found


def run(box: Box) -> None:
    execution = box.run(TRUE)
    assert execution.ok, execution


def cpu_s() -> float:
    """Seconds of ours and of every child that has been waited for."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def measure(way: Callable[[], None]) -> tuple[float, float]:
    """Wall and CPU milliseconds of one run."""
    used, started = cpu_s(), time.perf_counter()
    way()
    return 1000 * (time.perf_counter() - started), 1000 * (cpu_s() - used)


def repeat(name: str, times: int) -> None:
    way = ways()[name]
    for _ in range(times):
        way()


def throughput(name: str, runs: int) -> float:
    """Runs a second from `WORKERS` processes at once."""
    with ProcessPoolExecutor(WORKERS) as pool:
        list(pool.map(repeat, [name] * WORKERS, [5] * WORKERS))  # started, warm
        started = time.perf_counter()
        list(pool.map(repeat, [name] * WORKERS, [runs // WORKERS] * WORKERS))
        return runs // WORKERS * WORKERS / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of each, at least {WORKERS} (default {RUNS})")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} runs, nothing written")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.runs = QUICK_RUNS
    if arguments.runs < WORKERS:
        parser.error(f"--runs must be at least {WORKERS}")
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways()}
    for way in ways().values():
        way()
    for _ in range(arguments.runs):  # in turns, so that a slow moment of the machine falls on all
        for name, way in ways().items():
            times[name].append(measure(way))
    rows = [
        {
            "one run of /bin/true": name,
            "CPU, mean (ms)": round(statistics.mean(cpu for _, cpu in taken), 2),
            "wall, median (ms)": round(statistics.median(wall for wall, _ in taken), 2),
            "wall, 95th percentile (ms)": round(statistics.quantiles([wall for wall, _ in taken], n=20)[-1], 2),
            f"runs/s, {WORKERS} workers": round(throughput(name, arguments.runs), 1),
        }
        for name, taken in times.items()
    ]
    if arguments.quick:
        print(*rows, sep="\n")
        return
    notes = (
        f"{arguments.runs} runs each, in turns. CPU is everything: the sandbox's own process, bubblewrap, the gate, "
        f"the program. Load average during the run: {os.getloadavg()[0]:.1f}. Targets: CPU at most 10 ms, wall at most "
        f"25 ms (median, quiet machine), at least 30 runs/s."
    )
    print(result.write("sandbox", "A box around a program", rows, notes))


if __name__ == "__main__":
    main()
