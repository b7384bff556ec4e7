"""A build of 2,000 rows: what the runner costs beside a script written for the job, and beside Ray Data.

    python benchmarks/data.py            VISCODEX_RAY=/path/to/python of an environment with ray: Ray Data too

The endpoint answers at once and is not measured. All write the same kept rows; the script keeps nothing until its end.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import measure
import result
from building import job

ROWS, WORKERS = 2000, 2
ROUNDS = int(os.environ.get("ROUNDS", 3))
HERE = Path(__file__).parent


def main() -> None:
    ways = {"viscodex": (sys.executable, "ours"), "a script for this job": (sys.executable, "script")}
    if python := os.environ.get("VISCODEX_RAY"):
        ways["Ray Data"] = (python, "on_ray")
    runs: dict[str, list[measure.Usage]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        server = job.Endpoint()
        for number in range(ROUNDS):
            for name in list(ways)[:: -1 if number % 2 else 1]:
                runs[name].append(one(*ways[name], Path(folder), server.url))
                print(name, runs[name][-1].record(), flush=True)
        server.shutdown()
    floor = measure.median([usage.cpu for usage in runs["a script for this job"]])
    rows = [row(name, usages, floor) for name, usages in runs.items()]
    notes = (
        f"{ROWS:,} rows, {WORKERS} worker processes, median of {ROUNDS} rounds; peak memory of the largest process. "
        "Ray's workers and daemons are no children of the script: only the driver's memory is known."
    )
    more = {name: [usage.record() for usage in usages] for name, usages in runs.items()}
    result.write("data", "Building a data set: the runner", rows, notes, runs=more)


def one(python: str, program: str, folder: Path, url: str) -> measure.Usage:
    out = folder / program
    for path in (out, out.with_name(out.name + ".work")):
        shutil.rmtree(path, ignore_errors=True)
    source = f"{HERE}:{HERE.parent / 'src'}"
    argv = [python, HERE / "building" / f"{program}.py", url, str(ROWS), str(WORKERS), out]
    env = {"PYTHONPATH": source, "RAY_USAGE_STATS_ENABLED": "0"}
    usage = measure.run(argv, folder / "log", env)
    kept = int((folder / "log").read_text().split()[-1])
    assert kept == EXPECTED, f"{program} kept {kept}"
    return usage


def row(name: str, usages: list[measure.Usage], floor: float) -> dict[str, str | float | None]:
    cpu = None if name == "Ray Data" else measure.median([usage.cpu for usage in usages])
    return {
        "built by": name,
        "CPU s": cpu and round(cpu, 1),
        "× the script": cpu and round(cpu / floor, 2),
        "wall s": round(measure.median([usage.wall for usage in usages]), 1),
        "peak MB": round(max(usage.peak_rss for usage in usages) / 1e6),
    }


EXPECTED = len({job.note(number) for number in range(ROWS) if job.is_long(job.note(number))})

if __name__ == "__main__":
    main()
