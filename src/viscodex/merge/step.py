"""Write one tensor of the result: combine the models' words, or copy the VLM's bytes, and check what was written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xxhash

from viscodex.checkpoint.dtypes import FLOATS, SIZES, DType, Words, decode, encode, has_nonfinite
from viscodex.checkpoint.reader import read_into
from viscodex.checkpoint.writer import write_from
from viscodex.core import console
from viscodex.core.errors import VisCodexError
from viscodex.merge.device import Cpu, Device
from viscodex.merge.kernel import MOST_MODELS, thinned_sum_bf16, weighted_sum_bf16
from viscodex.merge.plan import MergePlan, Step, sources
from viscodex.merge.record import Record
from viscodex.merge.statistics import Distances, gram_of
from viscodex.merge.tensors import Inputs, Operands, Range, TensorStream, aligned, can_compile, chunks

COPY_BYTES = 16 << 20
SAMPLE_ELEMENTS = 1 << 15  # of every chunk, for the report: 3 % of the elements, spread over the whole tensor


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

    def jobs(self) -> Iterable[tuple[Any, tuple[Any, ...]]]:
        """Independent pieces of work. A tensor that must be measured first is one piece."""
        if self.step.action == "copy":
            nbytes = self.step.out.nbytes
            return [(self._copy, ((s, min(s + COPY_BYTES, nbytes)),)) for s in range(0, nbytes, COPY_BYTES)]
        method = self.plan.method
        if (method.measure is not None and method.scope == "tensor") or self._is_whole():
            return [(self._measured, ())]
        parts = chunks(self.step.tuned[0].info.elements, self._operands().shape[1])
        return [(self._merge, (part, self.model_stats)) for part in parts]

    def _operands(self) -> Operands:
        return Operands(self.inputs, self.step, self.device, self.plan.recipe.seed)

    def _is_whole(self) -> bool:
        return self.plan.method.whole and self.step.key.startswith("model.layers.") and len(self.step.out.shape) == 2

    def _measured(self) -> None:
        elements = self.step.tuned[0].info.elements
        if self._is_whole():
            self._merge((0, elements), None, whole=True)
            return
        measure = self.plan.method.measure
        operands = Operands(self.inputs, self.step, Cpu(), self.plan.recipe.seed)
        with np.errstate(all="ignore"):
            stats = measure(TensorStream(operands), self.plan.options) if measure else None
        for part in chunks(elements, operands.shape[1]):
            self._merge(part, stats)

    def _merge(self, part: Range, stats: Any, whole: bool = False) -> None:
        """Combine elements [start, stop) for every variant, check them, write them."""
        step, operands, dtype = self.step, self._operands(), FLOATS[self.step.out.dtype]
        words = operands.read(part)
        if whole and (fault := operands.nonfinite(words)):  # before the long work
            raise fault
        size = (part[1] - part[0]) * dtype.bytes
        buffers = [self.inputs.buffer(100 + variant, size) for variant in range(len(self.files))]
        outs = [np.frombuffer(buffer, dtype=dtype.words) for buffer in buffers]
        with np.errstate(all="ignore"):  # what is not finite is refused by name just below
            finite = self._compiled(operands, part[0], words, outs, stats)
            if finite is None:
                finite = self._general(operands, part, words, outs, stats, whole)
        if not finite:
            raise operands.blame(words, dtype.torch_name)
        if fault := operands.nonfinite(words, self._left_out(stats)):
            raise fault
        self._restore_vlm_rows(operands, part, words, outs)
        for variant, (file, buffer) in enumerate(zip(self.files, buffers, strict=True)):
            write_from(file, buffer, self.start + part[0] * dtype.bytes)
            self.record.written(variant, step.out.name, part[0], buffer)
        for source, read in zip(sources(step), words, strict=True):
            self.record.read(self.plan.roles[source.model], source.info.name, part[0], read)
            self.progress.advance(read.nbytes)
        self._sample(operands, part, words, outs, dtype)

    def _general(
        self, operands: Operands, part: Range, words: Sequence[Words], outs: Sequence[Words], stats: Any, whole: bool
    ) -> bool:
        """Combine block by block with the method's own formula, and say whether all is finite."""
        dtype, combine, options = FLOATS[self.step.out.dtype], self.plan.method.combine, self.plan.options
        for (begin, end), block in operands.blocks(part, words, whole):
            for out, weights in zip(outs, self.step.weights, strict=True):
                self.device.encode(combine(block, weights, stats, options), dtype, out[begin:end])
        return not any(has_nonfinite(out, dtype) for out in outs)

    def _restore_vlm_rows(self, operands: Operands, part: Range, words: Sequence[Words], outs: Sequence[Words]) -> None:
        """Rows that only the VLM has are its own, bit for bit unless another format is asked for."""
        rows = operands.rows_in(part)
        if rows is None:
            return
        columns, own, dtype = operands.shape[1], FLOATS[self.step.tuned[0].info.dtype], FLOATS[self.step.out.dtype]
        kept = words[0].reshape(-1, columns)[rows]
        if own != dtype:
            values = decode(kept, own)
            kept = np.empty(kept.shape, dtype.words)
            encode(values, dtype, kept)
        for out in outs:
            out.reshape(-1, columns)[rows] = kept

    def _sample(
        self, operands: Operands, part: Range, words: Sequence[Words], outs: Sequence[Words], dtype: DType
    ) -> None:
        """Inner products of inputs and results at the beginning of the chunk, for the report."""
        size = min(aligned(SAMPLE_ELEMENTS, operands.shape[1]), part[1] - part[0])
        place, cpu = (part[0], part[0] + size), Cpu()
        _, block = next(
            iter(Operands(self.inputs, self.step, cpu, 0).blocks(place, [w[:size] for w in words], whole=True))
        )
        models = [*block.tuned, *([block.base] if block.base is not None else [])]
        for variant, out in enumerate(outs):
            gram = gram_of([*models, cpu.decode(out[:size], dtype)])
            roles = (*(self.plan.roles[s.model] for s in sources(self.step)), "merged")
            self.record.sampled(variant, self.step.key, part[0], Distances(roles, gram, size))

    def _left_out(self, stats: Any) -> list[int]:
        """Sources with coefficient 0 in every variant: whether they are finite does not show in the result."""
        if self.plan.method.coefficients is None:
            return []
        rows = [self._coefficients(weights, stats) for weights in self.step.weights]
        return [number for number, column in enumerate(zip(*rows, strict=True)) if not any(column)]

    def _coefficients(self, weights: Sequence[float], stats: Any) -> list[float]:
        """One factor per source, for a method that is a weighted sum."""
        assert self.plan.method.coefficients is not None
        of_base, of_tuned = self.plan.method.coefficients(weights, stats)
        assert self.step.base is not None or of_base == 0.0
        return [*of_tuned, of_base] if self.step.base else of_tuned

    def _compiled(
        self, operands: Operands, place: int, words: Sequence[Words], outs: Sequence[Words], stats: Any
    ) -> bool | None:
        """Combine by the compiled kernel, and say whether all is finite.

        None where the method, the formats or the device ask for the general way. Rows that only the VLM has come out
        as anything: they are restored afterwards.
        """
        method, step = self.plan.method, self.step
        if not isinstance(self.device, Cpu) or not can_compile(step, step.out.dtype):
            return None
        finite = True
        if method.coefficients is not None:
            for out, weights in zip(outs, step.weights, strict=True):
                finite &= weighted_sum_bf16(words, self._coefficients(weights, stats), out)
            return finite
        if method.thinning is None or len(step.tuned) > MOST_MODELS:
            return None
        thinning = method.thinning(stats, self.plan.options, [operands.key(i) for i in range(len(step.tuned))])
        for out, weights in zip(outs, step.weights, strict=True):
            finite &= thinned_sum_bf16(words, weights, thinning, place, out)
        return finite

    def _copy(self, part: Range) -> None:
        """Copy bytes [start, stop) inside the kernel, then read both sides back and compare them."""
        source, size = self.step.tuned[0], part[1] - part[0]
        origin, where = source.info.start + part[0], self.inputs.where(source)
        file = self.inputs.file_of(source)
        read = self.inputs.buffer(0, size)
        read_into(file, read, origin, where)
        self._check_finite(read, where)
        self.record.read(self.plan.roles[0], source.info.name, part[0], read)
        digest = xxhash.xxh3_128_digest(read)
        for variant, out in enumerate(self.files):
            copy_bytes(file, origin, out, self.start + part[0], size, where)
            back = self.inputs.buffer(1, size)
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
            write_from(target, memoryview(data), offset + done)
            moved = len(data)
        done += moved
