"""Write one tensor of the result: combine the models' words, or copy the VLM's bytes, and check what was written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xxhash

from viscodex.checkpoint.dtypes import FLOATS, SIZES, DType, Words, has_nonfinite
from viscodex.checkpoint.reader import read_into
from viscodex.core import console
from viscodex.core.errors import VisCodexError
from viscodex.core.pagecache import write_all
from viscodex.merge.combine import combiner, measure_tensor
from viscodex.merge.device import Cpu, Device
from viscodex.merge.plan import MergePlan, Step, sources
from viscodex.merge.record import Record
from viscodex.merge.statistics import Distances, gram_of
from viscodex.merge.tensors import Inputs, Operands, Range, aligned

COPY_BYTES = 16 << 20
SAMPLE_ELEMENTS = 1 << 13  # of every chunk, for the report: 0.8 % of the elements, spread over the whole tensor


class StepWriter:
    """Writes one tensor of every variant. `model_stats` is what a method measured over the whole backbone."""

    def __init__(
        self,
        plan: MergePlan,
        inputs: Inputs,
        device: Device,
        model_stats: Any,
        step: Step,
        start: int,
        files: Sequence[int],
        record: Record,
        progress: console.Progress,
    ) -> None:
        self.plan, self.inputs, self.device, self.model_stats = plan, inputs, device, model_stats
        self.step, self.start, self.files = step, start, files
        self.record, self.progress = record, progress
        self.combiner = combiner(plan, inputs, step, device)
        self.on_cpu = Operands(inputs, step, Cpu(), plan.recipe.seed)  # for the report's samples

    def jobs(self) -> Iterable[tuple[Any, tuple[Any, ...]]]:
        """Independent pieces of work. A tensor that must be measured first is one piece."""
        if self.step.action == "copy":
            nbytes = self.step.out.nbytes
            return [(self._copy, ((s, min(s + COPY_BYTES, nbytes)),)) for s in range(0, nbytes, COPY_BYTES)]
        if self.combiner.is_measured:
            return [(self._measured, ())]
        return [(self._merge, (part, self.model_stats)) for part in self.combiner.parts]

    def _measured(self) -> None:
        stats = measure_tensor(self.plan, self.inputs, self.step)
        for part in self.combiner.parts:
            self._merge(part, stats)

    def _merge(self, part: Range, stats: Any) -> None:
        """Combine elements [start, stop) for every variant, check them, write them."""
        step, operands, dtype = self.step, self.combiner.operands, self.combiner.dtype
        words = operands.read(part)
        start, size = self.start + part[0] * dtype.bytes, (part[1] - part[0]) * dtype.bytes
        buffers = [self.inputs.buffer(100 + variant, size, start) for variant in range(len(self.files))]
        outs = [np.frombuffer(buffer, dtype=dtype.words) for buffer in buffers]
        self.combiner.combine(part, words, outs, step.weights, stats)
        for variant, (file, buffer) in enumerate(zip(self.files, buffers, strict=True)):
            write_all(file, buffer, start)
            self.record.written(variant, step.out.name, part[0], buffer)
        for source, read in zip(sources(step), words, strict=True):
            self.record.read(self.plan.roles[source.model], source.info.name, part[0], read)
            self.progress.advance(read.nbytes)
        self._sample(operands, part, words, outs, dtype)

    def _sample(
        self, operands: Operands, part: Range, words: Sequence[Words], outs: Sequence[Words], dtype: DType
    ) -> None:
        """Inner products of inputs and results at the beginning of the chunk, for the report."""
        size = min(aligned(SAMPLE_ELEMENTS, operands.shape[1]), part[1] - part[0])
        place = (part[0], part[0] + size)
        _, block = next(iter(self.on_cpu.blocks(place, [w[:size] for w in words], whole=True)))
        models = [*block.tuned, *([block.base] if block.base is not None else [])]
        for variant, out in enumerate(outs):
            gram = gram_of([*models, self.on_cpu.device.decode(out[:size], dtype)])
            roles = (*(self.plan.roles[s.model] for s in sources(self.step)), "merged")
            self.record.sampled(variant, self.step.key, part[0], Distances(roles, gram, size))

    def _copy(self, part: Range) -> None:
        """Copy bytes [start, stop) inside the kernel, then read both sides back and compare them."""
        source, size = self.step.tuned[0], part[1] - part[0]
        origin, where = source.info.start + part[0], self.inputs.where(source)
        file = self.inputs.file_of(source)
        read = self.inputs.buffer(0, size, origin)
        read_into(file, read, origin, where)
        self._check_finite(read, where)
        self.record.read(self.plan.roles[0], source.info.name, part[0], read)
        digest = xxhash.xxh3_128_digest(read)
        for variant, out in enumerate(self.files):
            copy_bytes(file, origin, out, self.start + part[0], size, where)
            back = self.inputs.buffer(1, size, self.start + part[0])
            read_into(out, back, self.start + part[0], where)
            if xxhash.xxh3_128_digest(back) != digest:
                raise VisCodexError(
                    "copied bytes differ from their source", where, "the disk or the input file changed"
                )
            self.record.written(variant, self.step.out.name, part[0], back)
        self.progress.advance(size)

    def _check_finite(self, data: memoryview, where: str) -> None:
        dtype = FLOATS.get(self.step.out.dtype)
        if dtype and len(data) % SIZES[dtype.name] == 0 and has_nonfinite(np.frombuffer(data, dtype.words), dtype):
            raise VisCodexError(f"NaN or Inf in the {self.plan.vlm.role}", where, "the file is damaged")


def copy_bytes(source: int, origin: int, target: int, offset: int, count: int, what: str) -> None:
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
                raise VisCodexError("the file became shorter while it was read", where=what)
            write_all(target, memoryview(data), offset + done)
            moved = len(data)
        done += moved
