"""Merging against mergekit and against floors, on checkpoints of real shapes; and a merge that is killed.

    python benchmarks/merge.py                       about an hour, 65 GB of disk
    python benchmarks/merge.py --sizes 0.5b,1.5b     half of that, 20 GB
    python benchmarks/merge.py --quick               half a minute, tiny shapes, without mergekit

Inputs are made once and kept in --work; outputs are removed. Writes benchmarks/results/merge.json.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import measure
import result
from merging import peers
from merging.jobs import METHODS, Job, Run, pair_jobs, run_all, trio_jobs, variant_jobs, viscodex
from merging.kill import kill_test
from merging.rows import NOTES, kill_row, rows_of
from merging.shapes import SHAPES

WORK = Path(__file__).parents[1] / "build" / "benchmarks"
SMALL = ("quick", "0.5b")  # the sizes at which everything is tried, not task arithmetic alone


def main() -> None:
    arguments = parse_arguments()
    work: Path = arguments.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    require_space(arguments.sizes, work)
    logs = work / "logs"
    logs.mkdir(exist_ok=True)
    mergekit = None if arguments.mergekit == Path("none") else arguments.mergekit or work / "mergekit-venv"
    program = peers.environment(mergekit) if mergekit else None
    against = f"{peers.versions(mergekit)}. " if mergekit else ""
    runs: dict[Job, list[Run]] = {}
    for size in arguments.sizes:
        runs |= measure_size(size, work, logs, program, arguments.repeats)
        save(work, against, runs)
    killed = arguments.sizes[-1]
    kill = kill_test(kill_command(killed, work), work / "out", logs, arguments.kills, seed=0)
    print(save(arguments.results, against, runs, {"size": killed, **kill}))
    if not kill["identical"]:
        sys.exit("a merge that was killed and run again gave other bytes")


def save(folder: Path, against: str, runs: Mapping[Job, list[Run]], kill: Mapping[str, Any] | None = None) -> Path:
    """Write what there is to merge.json: the table, and every value behind it."""
    return result.write(
        "merge",
        "Merging",
        [*rows_of(runs), *([kill_row(kill)] if kill else [])],
        "\n\n".join([against + NOTES[0], *NOTES[1:]]),
        folder=folder,
        runs=[record(job, found) for job, found in runs.items()],
        kill=kill,
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=WORK, help="where inputs are kept and outputs are written")
    parser.add_argument("--sizes", type=sizes, default=("0.5b", "1.5b", "8b"), help=f"some of {', '.join(SHAPES)}")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each command")
    parser.add_argument("--kills", type=int, default=3, help="how often the last size's merge is killed")
    parser.add_argument("--mergekit", type=Path, help="its environment, made if absent; none: without mergekit")
    parser.add_argument("--quick", action="store_true", help="tiny shapes, one run each, mergekit only if named")
    parser.add_argument("--results", type=Path, help="the folder of merge.json; of a quick run, the one of --work")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.sizes, arguments.repeats = ("quick", "quick-vl"), 1
        arguments.mergekit = arguments.mergekit or Path("none")
    arguments.results = arguments.results or (arguments.work if arguments.quick else result.RESULTS)
    return arguments


def sizes(text: str) -> tuple[str, ...]:
    """`"0.5b,8b"` → those shapes."""
    names = tuple(text.split(","))
    if unknown := [name for name in names if name not in SHAPES]:
        raise argparse.ArgumentTypeError(f"no shape {unknown[0]}; there are {', '.join(SHAPES)}")
    return names


def measure_size(size: str, work: Path, logs: Path, mergekit: Path | None, repeats: int) -> dict[Job, list[Run]]:
    """Make the inputs of a size, read them once, and run its jobs."""
    generate = [sys.executable, "-m", "merging.checkpoints", size, str(work / size)]
    subprocess.run(generate, cwd=Path(__file__).parent, check=True)  # another process, so that this one stays small
    models = models_of(size, work)
    for folder in models.values():
        measure.read_files(folder)
    if SHAPES[size].depth:
        jobs = pair_jobs(size, models)
    else:
        methods = list(METHODS) if size in SMALL else ["task_arithmetic"]
        jobs = trio_jobs(size, models, mergekit, methods)
        jobs += variant_jobs(size, models) if size in SMALL else []
    touch = 4 * SHAPES[size].nbytes("vlm") + (3 << 30 if size in ("0.5b", "1.5b") else 0)
    return run_all(jobs, repeats, work / "out", logs, touch)


def models_of(size: str, work: Path) -> dict[str, Path]:
    return {role: work / size / role for role in SHAPES[size].roles}


def kill_command(size: str, work: Path) -> tuple[str, ...]:
    """Task arithmetic in several shards, so that there is something to go on from."""
    shards = ("--set", f"shard_size={SHAPES[size].shard_bytes}")
    return viscodex(models_of(size, work), "--lambda", "0.7", *shards, "--out", "{out}")


def require_space(names: Sequence[str], work: Path) -> None:
    """Stop before the first byte if inputs and the largest outputs do not fit."""
    absent = sum(SHAPES[name].nbytes() for name in names if not (work / name).is_dir())
    largest = max(SHAPES[name].nbytes("vlm") * (4 if name in SMALL else 1) for name in names)
    needed, free = absent + largest + (1 << 30), shutil.disk_usage(work).free
    if free < needed:
        sys.exit(f"{work}: {needed / 1e9:.0f} GB needed, {free / 1e9:.0f} GB free")


def record(job: Job, runs: Sequence[Run]) -> dict[str, Any]:
    """Every value of a job, for the JSON."""
    values = [run.usage.record() | ({"phase_cpu": run.phase_cpu} if run.phase_cpu is not None else {}) for run in runs]
    return {"size": job.size, "what": job.what, "program": job.program, "values": values}


if __name__ == "__main__":
    main()
