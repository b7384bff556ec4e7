"""Run a plan: read → combine → write, in chunks, with threads; staged in OUT.partial and renamed when complete."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viscodex.checkpoint.writer import ShardPlan, create_shard, write_index
from viscodex.core import console
from viscodex.core.rundir import require_free
from viscodex.merge.checks import require_unchanged
from viscodex.merge.combine import measure_model
from viscodex.merge.device import Device, open_device
from viscodex.merge.plan import MergePlan, Step, require_sound, sources, variant_names
from viscodex.merge.record import Record, Summary, summarize
from viscodex.merge.staging import Staging, staged
from viscodex.merge.step import StepWriter
from viscodex.merge.tensors import Inputs


@dataclass(frozen=True)
class MergeResult:
    """Where the checkpoints are, what passed through, and how many shards an earlier, killed run had finished."""

    folders: tuple[Path, ...]
    summary: Summary
    resumed_shards: int


Finish = Callable[[Path, int, Summary], None]
Job = tuple[Callable[..., None], tuple[Any, ...]]


def run_merge(
    plan: MergePlan, out: Path, *, threads: int = 0, device: str = "cpu", finish: Finish | None = None
) -> MergeResult:
    """Execute a plan without problems and publish OUT. `finish(folder, variant, summary)` writes the side files.

    Raises VisCodexError for problems, for NaN or Inf, and for a full disk, and then leaves nothing behind. A kill
    leaves OUT.partial; the same call resumes at the first unfinished shard.
    """
    require_sound(plan)
    require_free(out)
    keep_freed_memory()
    opened = open_device(device)
    names = variant_names(plan)
    with staged(plan, out) as staging, closing(Inputs(plan.models)) as inputs:
        summary = _Engine(plan, staging, inputs, opened, threads or min(os.cpu_count() or 1, 8)).run()
        require_unchanged(plan.models)
        for number, name in enumerate(names):
            write_index(staging.folder / name, plan.shards)
            if finish is not None:
                finish(staging.folder / name, number, summary)
    return MergeResult(tuple(out / name for name in names), summary, len(staging.done))


class _Engine:
    def __init__(self, plan: MergePlan, staging: Staging, inputs: Inputs, device: Device, threads: int) -> None:
        self.plan, self.staging, self.inputs, self.device, self.threads = plan, staging, inputs, device, threads
        self.model_stats: Any = None

    def run(self) -> Summary:
        """Write every shard that is not done yet; returns what passed in all of them."""
        rows = dict(self.staging.done)
        self.model_stats = measure_model(self.plan, self.inputs)
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
                self.staging.finished(rows[shard.file])
        return summarize([rows[shard.file] for shard in self.plan.shards])

    def _shard(
        self, shard: ShardPlan, steps: Sequence[Step], pool: ThreadPoolExecutor, progress: console.Progress
    ) -> Record:
        """Write one file of every variant, and make it durable."""
        record, files = Record(), []
        with ExitStack() as opened:
            for name in variant_names(self.plan):
                files.append(create_shard(self.staging.folder / name, shard))
                opened.callback(os.close, files[-1])
            jobs: list[Job] = []
            for step, start in zip(steps, shard.starts, strict=True):
                writer = StepWriter(
                    self.plan, self.inputs, self.device, self.model_stats, step, start, files, record, progress
                )
                jobs += writer.jobs()
            run_together(pool, jobs)
            for file in files:
                os.fsync(file)
        return record


def run_together(pool: ThreadPoolExecutor, jobs: Iterable[Job]) -> None:
    """Run jobs to the end, or to the first error; no thread is at work when this returns or raises."""
    try:
        futures = [pool.submit(job, *arguments) for job, arguments in jobs]
        finished, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in finished:
            future.result()
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise


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
