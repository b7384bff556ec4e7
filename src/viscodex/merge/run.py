"""Run a plan: read → combine → write, in chunks, with threads; staged in OUT.partial and renamed when complete."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from viscodex.checkpoint.dtypes import FLOATS, SIZES, Words, has_nonfinite
from viscodex.checkpoint.reader import read_into
from viscodex.checkpoint.writer import ShardPlan, create_shard, write_from, write_index
from viscodex.core import console
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.rundir import JsonLines, partial_path, publish, remove_tree, require_free
from viscodex.merge.device import Cpu, Device, open_device
from viscodex.merge.kernel import library, weighted_sum_bf16
from viscodex.merge.plan import MergePlan, Step, require_sound, sources
from viscodex.merge.tensors import Inputs, Operands, Range, blame, chunks

COPY_BYTES = 16 << 20
PROGRESS = ".progress.jsonl"


@dataclass
class Digests:
    """xxh3-128 of every tensor read and written, from the digests of its pieces in order."""

    pieces: dict[tuple[str, str], dict[int, bytes]] = field(default_factory=dict)

    def add(self, role: str, key: str, place: int, data: Any) -> None:
        self.pieces.setdefault((role, key), {})[place] = xxhash.xxh3_128_digest(data)

    def rows(self) -> dict[str, dict[str, str]]:
        """role → tensor → digest."""
        table: dict[str, dict[str, str]] = {}
        for (role, key), pieces in sorted(self.pieces.items()):
            whole = b"".join(digest for _, digest in sorted(pieces.items()))
            table.setdefault(role, {})[key] = xxhash.xxh3_128_hexdigest(whole)
        return table


@dataclass(frozen=True)
class MergeResult:
    """Where the checkpoints are, and the digest of every tensor by role ("vlm", "code", …, "out:…")."""

    folders: tuple[Path, ...]
    digests: dict[str, dict[str, str]]
    resumed_shards: int


def variant_names(plan: MergePlan) -> list[str]:
    """The sub-folder of each variant; a single one is the output folder itself."""
    return [f"lambda-{recipe.lam:g}" for recipe in plan.recipes] if len(plan.recipes) > 1 else [""]


def run_merge(plan: MergePlan, out: Path, *, threads: int = 0, device: str = "cpu", finish: Any = None) -> MergeResult:
    """Execute a plan without problems and publish OUT. `finish(folder, variant, digests)` writes the side files.

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
        digests, resumed = _run_or_clean(engine, journal, staging, out)
        for number, name in enumerate(variant_names(plan)):
            write_index(staging / name, plan.shards)
            if finish is not None:
                finish(staging / name, number, digests)
        journal.close()
        (staging / PROGRESS).unlink()
        publish(staging, out)
    finally:
        os.close(lock)
    return MergeResult(tuple(out / name for name in variant_names(plan)), digests, resumed)


def _run_or_clean(
    engine: _Engine, journal: JsonLines, staging: Path, out: Path
) -> tuple[dict[str, dict[str, str]], int]:
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
        self.on_gpu = not isinstance(device, Cpu)
        self.model_stats: Any = None

    def run(self, journal: JsonLines) -> tuple[dict[str, dict[str, str]], int]:
        """Write every shard that the journal does not list; returns all digests and how many shards were there."""
        done = {row["shard"]: row["digests"] for row in journal if "shard" in row}
        resumed = len(done)
        self._measure_model()
        digests: dict[str, dict[str, str]] = {}
        with console.progress("merging", self.plan.in_bytes, "B") as progress, ThreadPoolExecutor(self.threads) as pool:
            first = 0
            for shard in self.plan.shards:
                steps = self.plan.steps[first : first + len(shard.tensors)]
                first += len(steps)
                if shard.file not in done:
                    done[shard.file] = self._shard(shard, steps, pool, progress)
                    journal.append({"shard": shard.file, "digests": done[shard.file]}, sync=True)
                else:
                    progress.advance(sum(s.info.nbytes for step in steps for s in sources(step)))
                for role, table in done[shard.file].items():
                    digests.setdefault(role, {}).update(table)
        return digests, resumed

    def _shard(
        self, shard: ShardPlan, steps: Sequence[Step], pool: ThreadPoolExecutor, progress: console.Progress
    ) -> dict[str, dict[str, str]]:
        digests = Digests()
        names = variant_names(self.plan)
        files = [create_shard(self.folder / name, shard) for name in names]
        try:
            jobs = []
            for step, start in zip(steps, shard.starts, strict=True):
                writer = _StepWriter(self, step, start, files, digests, progress)
                jobs += [pool.submit(job, *arguments) for job, arguments in writer.jobs()]
            finished, waiting = wait(jobs, return_when=FIRST_EXCEPTION)
            for job in waiting:
                job.cancel()
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
        return digests.rows()

    def _measure_model(self) -> None:
        """For methods whose coefficients come from the whole backbone: one reading of it, summed in file order."""
        method = self.plan.method
        if method.scope != "model" or method.measure is None:
            return
        total: Any = 0.0
        for step in self.plan.steps:
            if step.action == "merge":
                operands = Operands(self.inputs, step, self.device, self.plan.recipe.seed)
                total = total + method.measure(partial(operands.stream, (0, step.tuned[0].info.elements)), {})
        self.model_stats = total


class _StepWriter:
    """Writes one tensor of every variant."""

    def __init__(
        self,
        engine: _Engine,
        step: Step,
        start: int,
        files: Sequence[int],
        digests: Digests,
        progress: console.Progress,
    ) -> None:
        self.engine, self.step, self.start, self.files = engine, step, start, files
        self.digests, self.progress = digests, progress
        self.plan, self.inputs = engine.plan, engine.inputs
        self.variants = [f"out:{name}" for name in variant_names(self.plan)]

    def jobs(self) -> Iterable[tuple[Any, tuple[Any, ...]]]:
        """Independent pieces of work. A tensor that must be measured first is one piece."""
        if self.step.action == "copy":
            nbytes = self.step.out.nbytes
            return [(self._copy, ((s, min(s + COPY_BYTES, nbytes)),)) for s in range(0, nbytes, COPY_BYTES)]
        method = self.plan.method
        if (method.measure is not None and method.scope == "tensor") or self._is_whole():
            return [(self._measured, ())]
        parts = chunks(self.step.tuned[0].info.elements, self._operands().shape[1])
        return [(self._merge, (part, self.engine.model_stats)) for part in parts]

    def _operands(self) -> Operands:
        return Operands(self.inputs, self.step, self.engine.device, self.plan.recipe.seed)

    def _is_whole(self) -> bool:
        return self.plan.method.whole and self.step.key.startswith("model.layers.") and len(self.step.out.shape) == 2

    def _measured(self) -> None:
        operands, elements = self._operands(), self.step.tuned[0].info.elements
        if self._is_whole():
            self._merge((0, elements), None, whole=True)
            return
        measure = self.plan.method.measure
        stats = measure(partial(operands.stream, (0, elements)), self.plan.options) if measure else None
        for part in chunks(elements, operands.shape[1]):
            self._merge(part, stats)

    def _merge(self, part: Range, stats: Any, whole: bool = False) -> None:
        """Combine elements [start, stop) for every variant, check them, write them."""
        step, operands, dtype = self.step, self._operands(), FLOATS[self.step.out.dtype]
        words = operands.read(part)
        size = part[1] - part[0]
        buffers = [self.inputs.buffer(100 + v, size * dtype.bytes) for v in range(len(self.files))]
        outs = [np.frombuffer(buffer, dtype=dtype.words) for buffer in buffers]
        finite = self._weighted_sum(words, outs, stats)
        if finite is None:
            combine, options, device = self.plan.method.combine, self.plan.options, self.engine.device
            for (begin, end), block in operands.blocks(part, words, whole):
                for out, weights in zip(outs, step.weights, strict=True):
                    device.encode(combine(block, weights, stats, options), dtype, out[begin:end])
            finite = not any(has_nonfinite(out, dtype) for out in outs)
        if not finite:
            raise blame(step, words, self.plan.roles, dtype.torch_name)
        rows = operands.rows_in(part)
        for variant, (file, out, buffer) in enumerate(zip(self.files, outs, buffers, strict=True)):
            if rows is not None and step.tuned[0].info.dtype == dtype.name:
                out.reshape(-1, operands.shape[1])[rows] = words[0].reshape(-1, operands.shape[1])[rows]
            write_from(file, buffer, self.start + part[0] * dtype.bytes)
            self.digests.add(self.variants[variant], step.out.name, part[0], buffer)
        for source, read in zip(sources(step), words, strict=True):
            self.digests.add(self.plan.roles[source.model], source.info.name, part[0], read)
            self.progress.advance(read.nbytes)

    def _weighted_sum(self, words: Sequence[Words], outs: Sequence[Words], stats: Any) -> bool | None:
        """Combine by the compiled kernel, and say whether all is finite.

        None where the method, the formats or the device ask for the general way.
        """
        coefficients, step = self.plan.method.coefficients, self.step
        formats = {step.out.dtype, *(source.info.dtype for source in sources(step))}
        if coefficients is None or formats != {"BF16"} or self.engine.on_gpu or library() is None:
            return None
        finite = True
        for out, weights in zip(outs, step.weights, strict=True):
            of_base, of_tuned = coefficients(weights, stats)
            finite &= weighted_sum_bf16(words, [*of_tuned, of_base] if step.base else of_tuned, out)
        return finite

    def _copy(self, part: Range) -> None:
        """Copy bytes [start, stop) inside the kernel, then read both sides back and compare them."""
        source, size = self.step.tuned[0], part[1] - part[0]
        origin, where = source.info.start + part[0], f"{source.info.shard}: {source.info.name}"
        file = self.inputs.file_of(source)
        read = self.inputs.buffer(0, size)
        read_into(file, read, origin, where)
        self._check_finite(read, where)
        self.digests.add(self.plan.roles[0], source.info.name, part[0], read)
        digest = xxhash.xxh3_128_digest(read)
        for variant, out in enumerate(self.files):
            copy_bytes(file, origin, out, self.start + part[0], size)
            back = self.inputs.buffer(1, size)
            read_into(out, back, self.start + part[0], where)
            if xxhash.xxh3_128_digest(back) != digest:
                raise VisCodexError(
                    "copied bytes differ from their source", where, "the disk or the input file changed"
                )
            self.digests.add(self.variants[variant], self.step.out.name, part[0], back)
        self.progress.advance(size)

    def _check_finite(self, data: memoryview, where: str) -> None:
        dtype = FLOATS.get(self.step.out.dtype)
        if dtype and len(data) % SIZES[dtype.name] == 0 and has_nonfinite(np.frombuffer(data, dtype.words), dtype):
            raise VisCodexError("NaN or Inf in the vlm", where, "the file is damaged")


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


def copy_bytes(source: int, origin: int, target: int, offset: int, count: int) -> None:
    """Copy between files without passing through this process where the system can; else through a buffer."""
    done = 0
    while done < count:
        try:
            moved = os.copy_file_range(source, target, count - done, origin + done, offset + done)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            moved = 0
        if moved == 0:
            data = os.pread(source, count - done, origin + done)
            if not data:
                raise VisCodexError("the file became shorter while it was read")
            write_from(target, memoryview(data), offset + done)
            moved = len(data)
        done += moved


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
