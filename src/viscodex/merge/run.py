"""Run a plan: read → combine → write, in chunks, with threads; staged in OUT.partial and renamed when complete."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from viscodex.checkpoint.writer import ShardPlan, create_shard, write_index
from viscodex.core import console
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.rundir import JsonLines, partial_path, publish, remove_tree, require_free
from viscodex.merge.device import Cpu, Device, open_device
from viscodex.merge.plan import MergePlan, Step, require_sound, sources
from viscodex.merge.record import Record, Summary, summarize
from viscodex.merge.step import StepWriter
from viscodex.merge.tensors import Inputs, Operands

PROGRESS = ".progress.jsonl"


@dataclass(frozen=True)
class MergeResult:
    """Where the checkpoints are, what passed through, and how many shards an earlier, killed run had finished."""

    folders: tuple[Path, ...]
    summary: Summary
    resumed_shards: int


Finish = Callable[[Path, int, Summary], None]


def variant_names(plan: MergePlan) -> list[str]:
    """The sub-folder of each variant; a single one is the output folder itself."""
    return [f"lambda-{recipe.lam:g}" for recipe in plan.recipes] if len(plan.recipes) > 1 else [""]


def run_merge(plan: MergePlan, out: Path, *, threads: int = 0, device: str = "cpu", finish: Any = None) -> MergeResult:
    """Execute a plan without problems and publish OUT. `finish(folder, variant, summary)` writes the side files.

    Raises VisCodexError for problems, for NaN or Inf, and for a full disk, and then leaves nothing behind. A kill
    leaves OUT.partial; the same call resumes at the first unfinished shard.
    """
    require_sound(plan)
    require_free(out)
    keep_freed_memory()
    staging = partial_path(out)
    engine = _Engine(plan, staging, open_device(device), threads or min(os.cpu_count() or 1, 8))
    lock = _lock(staging)
    try:
        journal = _open_journal(plan, staging)
        summary, resumed = _run_or_clean(engine, journal, staging, out)
        for number, name in enumerate(variant_names(plan)):
            write_index(staging / name, plan.shards)
            if finish is not None:
                finish(staging / name, number, summary)
        journal.close()
        (staging / PROGRESS).unlink()
        publish(staging, out)
    finally:
        os.close(lock)
    return MergeResult(tuple(out / name for name in variant_names(plan)), summary, resumed)


def _run_or_clean(engine: _Engine, journal: JsonLines, staging: Path, out: Path) -> tuple[Summary, int]:
    """A fault that a second try would meet again leaves nothing behind; a kill leaves OUT.partial to go on from."""
    try:
        return engine.run(journal)
    except (VisCodexError, OSError) as error:
        remove_tree(staging)
        raise _explained(error, out) from error
    finally:
        engine.inputs.close()


class _Engine:
    def __init__(self, plan: MergePlan, folder: Path, device: Device, threads: int) -> None:
        self.plan, self.folder, self.device, self.threads = plan, folder, device, threads
        self.inputs = Inputs(plan.models)
        self.model_stats: Any = None

    def run(self, journal: JsonLines) -> tuple[Summary, int]:
        """Write every shard that the journal does not list; returns what passed, and how many shards were there."""
        rows = {row["shard"]: row for row in journal if "shard" in row}
        resumed = len(rows)
        self._measure_model()
        with console.progress("merging", self.plan.in_bytes, "B") as progress, ThreadPoolExecutor(self.threads) as pool:
            first = 0
            for shard in self.plan.shards:
                steps = self.plan.steps[first : first + len(shard.tensors)]
                first += len(steps)
                if shard.file in rows:
                    progress.advance(sum(source.info.nbytes for step in steps for source in sources(step)))
                    continue
                record = self._shard(shard, steps, pool, progress)
                rows[shard.file] = {"shard": shard.file, **record.as_json()}
                journal.append(rows[shard.file], sync=True)
        return summarize(list(rows.values())), resumed

    def _shard(
        self, shard: ShardPlan, steps: Sequence[Step], pool: ThreadPoolExecutor, progress: console.Progress
    ) -> Record:
        """Write one file of every variant, and make it durable."""
        record = Record()
        files = [create_shard(self.folder / name, shard) for name in variant_names(self.plan)]
        try:
            jobs = []
            for step, start in zip(steps, shard.starts, strict=True):
                writer = StepWriter(
                    self.plan, self.inputs, self.device, self.model_stats, step, start, files, record, progress
                )
                jobs += [pool.submit(job, *arguments) for job, arguments in writer.jobs()]
            finished, _ = wait(jobs, return_when=FIRST_EXCEPTION)
            for job in finished:
                job.result()
            for file in files:
                os.fsync(file)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        finally:
            for file in files:
                os.close(file)
        return record

    def _measure_model(self) -> None:
        """For methods whose coefficients come from the whole backbone: one reading of it, summed in file order."""
        method = self.plan.method
        if method.scope != "model" or method.measure is None:
            return
        total: Any = 0.0
        for step in self.plan.steps:
            if step.action == "merge":
                operands = Operands(self.inputs, step, Cpu(), self.plan.recipe.seed)
                total = total + method.measure(partial(operands.stream, (0, step.tuned[0].info.elements)), {})
        self.model_stats = total


def keep_freed_memory() -> None:
    """Tell glibc not to give freed memory back between blocks (elsewhere: nothing happens).

    Each block allocates half a megabyte several times. By default every one of these is a fresh mapping whose pages
    the kernel clears again: two thirds of the CPU time of a merge, measured.
    """
    trim_threshold, mmap_threshold = -1, -3  # malloc.h
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(trim_threshold, 256 << 20)
        mallopt(mmap_threshold, 32 << 20)


def _open_journal(plan: MergePlan, staging: Path) -> JsonLines:
    """Begin OUT.partial, or take it up again if it was begun by the same merge."""
    journal = JsonLines(staging / PROGRESS)
    rows = list(journal)
    if rows and rows[0].get("fingerprint") == plan.fingerprint:
        console.say(f"resuming {staging}: {len(rows) - 1} of {len(plan.shards)} shards are done")
        return journal
    if rows or (any(staging.iterdir()) and not journal.path.exists()):
        what = "an unfinished merge with other settings or inputs" if rows else "a folder that no merge has written"
        raise UsageError(f"{what} is in the way", where=str(staging), hint=f"look at it, then rm -r {staging}")
    for name in variant_names(plan):
        (staging / name).mkdir(exist_ok=True)
    journal.append({"fingerprint": plan.fingerprint}, sync=True)
    return journal


def _lock(staging: Path) -> int:
    """Make OUT.partial and keep other processes from writing it; the lock goes with the process."""
    try:
        staging.mkdir(parents=True, exist_ok=True)
        handle = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise VisCodexError(f"cannot write here: {error.strerror}", where=str(staging.parent)) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise UsageError("another process is writing this output", where=str(staging), hint="wait for it") from error
    return handle


def _explained(error: VisCodexError | OSError, out: Path) -> VisCodexError:
    if isinstance(error, VisCodexError):
        return error
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return VisCodexError("the disk is full; nothing was kept", where=str(out), hint="choose another --out")
    return VisCodexError(f"cannot write the result: {error.strerror or error}", where=str(out))
