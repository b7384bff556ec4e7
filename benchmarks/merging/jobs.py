"""What is run at each size: our command, mergekit's, and the floors."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import measure
from measure import Usage
from merging import peers
from merging.shapes import SHAPES

LAMBDA, DENSITY = 0.7, 0.5
GRID = (0.6, 0.7, 0.8, 0.9)
METHODS = {"task_arithmetic": None, "ties": DENSITY, "dare_ties": DENSITY}
Command = tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """One line of the table: `what` is done by `program` at `size`. Several commands are added up.

    `{out}` in a command is the output folder.
    """

    size: str
    what: str
    program: str
    commands: tuple[Command, ...]
    env: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Run:
    """A job's cost once; `phase_cpu` is what a floor says of itself without its imports."""

    usage: Usage
    phase_cpu: float | None = None


def viscodex(models: Mapping[str, Path], *words: str, method: str = "task_arithmetic") -> Command:
    """Our command line; methods that need the base are given it."""
    return (
        *(sys.executable, "-m", "viscodex", "merge", "task-arithmetic", "--set", f"method={method}"),
        *("--set", f"vlm={models['vlm']}", "--set", f"code={models['code']}"),
        *(("--set", f"base={models['base']}", "--set", f"density={METHODS[method]}") if METHODS[method] else ()),
        *words,
    )


def trio_jobs(size: str, models: Mapping[str, Path], mergekit: Path | None, methods: Sequence[str]) -> list[Job]:
    """A text trio: every method by both programs, their start-up, and the floors."""
    jobs = [
        Job(size, "--help", "viscodex", ((sys.executable, "-m", "viscodex", "merge", "--help"),)),
        Job(size, "start-up", "viscodex", (viscodex(models, "--lambda", str(LAMBDA), "--dry-run"),)),
    ]
    if mergekit is not None:
        jobs.append(Job(size, "start-up", "mergekit", ((str(mergekit), "--help"),)))
    for method in methods:
        ours = viscodex(models, "--lambda", str(LAMBDA), "--out", "{out}", method=method)
        jobs.append(Job(size, method, "viscodex", (ours,)))
        if mergekit is not None:
            config = peers.write_config(models["vlm"].parent / f"{method}.yml", models, method, LAMBDA, METHODS[method])
            jobs.append(Job(size, method, "mergekit", ((str(mergekit), str(config), "{out}"),)))
    return [*jobs, *floor_jobs(size, models)]


def floor_jobs(size: str, models: Mapping[str, Path]) -> list[Job]:
    """Copying the VLM's weights; mixing two models, where their files lie alike."""
    vlm, code = str(models["vlm"]), str(models["code"])
    program = (sys.executable, str(Path(__file__).parent / "floors.py"))
    jobs = [Job(size, "copy + fdatasync", "floor", ((*program, "copy", vlm, "{out}"),))]
    if not SHAPES[size].depth:
        jobs += [
            Job(size, "lerp by torch, 16 Mi chunks", "floor", ((*program, "lerp", vlm, code, "{out}"),)),
            Job(size, "lerp by torch, blocks in cache", "floor", ((*program, "lerp-tight", vlm, code, "{out}"),)),
        ]
    return jobs


def variant_jobs(size: str, models: Mapping[str, Path]) -> list[Job]:
    """Ours against ours: without the compiled kernel, by number of threads, four λ at once and one by one."""
    lam = ("--lambda", str(LAMBDA))
    jobs = [
        Job(
            size,
            f"{method} without kernel",
            "viscodex",
            (viscodex(models, *lam, "--out", "{out}", method=method),),
            OFF,
        )
        for method in METHODS
    ]
    jobs += [
        Job(size, f"task_arithmetic, {n} thread{'s' * (n > 1)}", "viscodex", (command,))
        for n in (1, 2)
        for command in [viscodex(models, *lam, "--threads", str(n), "--out", "{out}")]
    ]
    grid = ",".join(map(str, GRID))
    each = tuple(viscodex(models, "--lambda", str(one), "--out", "{out}/" + str(one)) for one in GRID)
    jobs.append(Job(size, "four λ, one command", "viscodex", (viscodex(models, "--lambda", grid, "--out", "{out}"),)))
    jobs.append(Job(size, "four λ, four commands", "viscodex", each))
    return jobs


OFF = {"VISCODEX_KERNEL": "0"}


def pair_jobs(size: str, models: Mapping[str, Path]) -> list[Job]:
    """A VLM with its vision tower and a code LLM, which no other program merges."""
    lam = ("--lambda", str(LAMBDA))
    return [
        Job(size, "start-up", "viscodex", (viscodex(models, *lam, "--dry-run"),)),
        Job(size, "task_arithmetic", "viscodex", (viscodex(models, *lam, "--out", "{out}"),)),
        *floor_jobs(size, models),
    ]


def run_all(jobs: Sequence[Job], repeats: int, out: Path, logs: Path, touch: int) -> dict[Job, list[Run]]:
    """Every job `repeats` times, in turns, every second round backwards: a slow hour falls on all alike."""
    runs: dict[Job, list[Run]] = {job: [] for job in jobs}
    for turn in range(repeats):
        for job in jobs if turn % 2 == 0 else reversed(jobs):
            runs[job].append(run_job(job, out, logs, touch))
            one = runs[job][-1].usage
            print(
                f"{job.size:>8} {job.program:>8} {job.what:<32} cpu {one.cpu:8.2f} s (sys {one.sys:6.2f})"
                f"  wall {one.wall:8.2f} s  rss {one.peak_rss / 1e6:7.0f} MB  others {one.others:6.1f} s",
                file=sys.stderr,
                flush=True,
            )
    return runs


def run_job(job: Job, out: Path, logs: Path, touch: int) -> Run:
    """Run a job's commands one after the other, and remove what they wrote."""
    name = f"{job.size} {job.program} {job.what}".replace("/", "-")
    usages = []
    for number, command in enumerate(job.commands):
        remove(out)
        log = logs / f"{name} {number}.log"
        measure.touch_memory(touch)
        usages.append(measure.run([word.replace("{out}", str(out)) for word in command], log, job.env))
    remove(out)
    phase = json.loads(log.read_text().splitlines()[-1])["phase_cpu"] if job.program == "floor" else None
    return Run(added(usages), phase)


def added(usages: Sequence[Usage]) -> Usage:
    """Runs one after the other as one: times add up, the peak is the largest."""
    return Usage(
        wall=sum(u.wall for u in usages),
        user=sum(u.user for u in usages),
        sys=sum(u.sys for u in usages),
        peak_rss=max(u.peak_rss for u in usages),
        others=sum(u.others for u in usages),
        load_before=usages[0].load_before,
        load_after=usages[-1].load_after,
    )


def remove(folder: Path) -> None:
    """Remove an output folder and its unfinished sibling."""
    for path in (folder, folder.with_name(folder.name + ".partial")):
        shutil.rmtree(path, ignore_errors=True)
