"""Read the operands of a step, piece by piece: the words of each model at the same place of the VLM's tensor."""

from __future__ import annotations

import errno
import math
import mmap
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viscodex.checkpoint.dtypes import FLOATS, Words, has_nonfinite
from viscodex.checkpoint.reader import Checkpoint, TensorInfo, read_into
from viscodex.core.errors import VisCodexError
from viscodex.merge import chance
from viscodex.merge.block import Block
from viscodex.merge.device import Device
from viscodex.merge.kernel import count_tasks_bf16, library
from viscodex.merge.plan import Source, Step, sources, vlm_only_rows
from viscodex.merge.quantiles import Bins, Counts, histograms_of

CHUNK_ELEMENTS = (
    1 << 20
)  # at most 16 Mi by the spec; at 1 Mi the pieces stay in the cache between read and write (measured)
Range = tuple[int, int]


class Inputs:
    """All input shards, opened once, and a set of reusable buffers per thread.

    Inputs that are small beside the memory stay there for the next merge; larger ones would only push each other out.
    """

    def __init__(self, models: Sequence[Checkpoint]) -> None:
        self.models = models
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        self.stay = sum(model.nbytes for model in models) <= memory // 2
        self.files: dict[tuple[int, str], int] = {}
        self._local = threading.local()
        for number, model in enumerate(models):
            for shard in model.shards:
                self.files[number, shard] = self._open(model.path / shard)

    def close(self) -> None:
        for file in self.files.values():
            os.close(file)

    def _open(self, path: Path) -> int:
        try:
            return os.open(path, os.O_RDONLY)
        except OSError as error:
            self.close()
            hint = "ulimit -n 8192" if error.errno == errno.EMFILE else ""
            raise VisCodexError(f"cannot open a shard: {error.strerror}", where=str(path), hint=hint) from error

    def where(self, source: Source) -> str:
        """A source's file and tensor name, for messages."""
        return f"{self.models[source.model].path / source.info.shard}: {source.info.name}"

    def file_of(self, source: Source) -> int:
        return self.files[source.model, source.info.shard]

    def buffer(self, slot: int, nbytes: int, offset: int) -> memoryview:
        """This thread's buffer number `slot`, for the bytes of a file from `offset` on.

        It lies in a page of memory as they lie in a page of the file: some processors copy two to five times slower
        where the one is a few bytes ahead of the other (measured: docs/lab-notes.md).
        """
        buffers: dict[int, mmap.mmap] = self._local.__dict__.setdefault("buffers", {})
        begin = offset % mmap.PAGESIZE
        if slot not in buffers or len(buffers[slot]) < begin + nbytes:
            buffers[slot] = mmap.mmap(-1, begin + nbytes + mmap.PAGESIZE)
        return memoryview(buffers[slot])[begin : begin + nbytes]

    def words(self, source: Source, part: Range, slot: int) -> Words:
        """Elements [start, stop) of a source, as the words of its dtype. Rows it does not have are left as zeros."""
        info, dtype = source.info, FLOATS[source.info.dtype]
        start = info.start + part[0] * dtype.bytes
        buffer = self.buffer(slot, (part[1] - part[0]) * dtype.bytes, start)
        file, name = self.file_of(source), self.where(source)
        if source.rows is None:
            read_into(file, buffer, start, name, stays=self.stay)
        else:
            self._gather(source.rows.rows, info, part, buffer, file, name)
        return np.frombuffer(buffer, dtype=dtype.words)

    def _gather(
        self, rows: NDArray[np.int64], info: TensorInfo, part: Range, buffer: memoryview, file: int, name: str
    ) -> None:
        """Read mapped rows in runs of consecutive ones."""
        columns = info.shape[1]
        row_bytes = columns * FLOATS[info.dtype].bytes  # also of an embedding without rows
        wanted = rows[part[0] // columns : part[1] // columns]
        cuts = np.flatnonzero(np.diff(wanted) != 1) + 1
        for first, last in zip([0, *cuts.tolist()], [*cuts.tolist(), len(wanted)], strict=True):
            piece = buffer[first * row_bytes : last * row_bytes]
            if wanted[first] >= 0:
                read_into(file, piece, info.start + int(wanted[first]) * row_bytes, name, stays=self.stay)
            else:
                piece[:] = bytes(len(piece))


class Operands:
    """The operands of one step as blocks in the order of the VLM's tensor."""

    def __init__(self, inputs: Inputs, step: Step, device: Device, seed: int) -> None:
        self.inputs, self.step, self.device, self.seed = inputs, step, device, seed
        self.shape = matrix_shape(step.tuned[0].info.shape)
        self.vlm_rows = vlm_only_rows(step)

    def read(self, part: Range) -> list[Words]:
        """The words of every source for elements [start, stop)."""
        return [self.inputs.words(source, part, slot) for slot, source in enumerate(sources(self.step))]

    def blocks(self, part: Range, words: Sequence[Words], whole: bool = False) -> Iterator[tuple[Range, Block]]:
        """Cut read words into blocks of whole rows; yields the block's place within `part` and its values."""
        size = part[1] - part[0]
        columns = self.shape[1]
        step = size if whole else aligned(self.device.block_elements, columns)
        for start in range(0, size, max(step, 1)):
            stop = min(start + step, size)
            place = (part[0] + start, part[0] + stop)
            yield (start, stop), self._block(place, [w[start:stop] for w in words], whole)

    def nonfinite(self, words: Sequence[Words], among: Sequence[int] | None = None) -> VisCodexError | None:
        """The error for the first source (of those `among`) that holds NaN or Inf; None when all are finite."""
        for number, source in enumerate(sources(self.step)):
            if (among is None or number in among) and has_nonfinite(words[number], FLOATS[source.info.dtype]):
                role = self.inputs.models[source.model].role
                return VisCodexError(f"NaN or Inf in the {role}", self.inputs.where(source), "the file is damaged")
        return None

    def blame(self, words: Sequence[Words], dtype: str) -> VisCodexError:
        """The error for a result that is not finite: which input is at fault, or that the format is too small."""
        too_small = VisCodexError(
            f"a merged value does not fit {dtype}", where=self.step.key, hint="--set dtype=bfloat16"
        )
        return self.nonfinite(words) or too_small

    def rows_in(self, place: Range) -> NDArray[np.bool_] | None:
        """Which rows of [start, stop) only the VLM has; None if there are none."""
        if self.vlm_rows is None:
            return None
        mask = self.vlm_rows[place[0] // self.shape[1] : place[1] // self.shape[1]]
        return mask if mask.any() else None

    def _block(self, place: Range, words: Sequence[Words], whole: bool) -> Block:
        arrays = [
            self.device.decode(w, FLOATS[source.info.dtype])
            for w, source in zip(words, sources(self.step), strict=True)
        ]
        for number, source in enumerate(self.step.tuned):
            if source.is_task:
                arrays[number] = arrays[number] + arrays[-1]
        mask = self.rows_in(place)
        if mask is not None:
            self._fill_from_vlm(arrays, mask)
        columns = self.shape[1]
        shape = ((place[1] - place[0]) // columns, columns) if (place[1] - place[0]) % columns == 0 else (1, -1)
        base = arrays.pop() if self.step.base is not None else None
        return Block(arrays, base, shape, lambda model: self._uniform(place, model), whole)

    def _fill_from_vlm(self, arrays: Sequence[Any], mask: NDArray[np.bool_]) -> None:
        """Where only the VLM has a row, every model is taken to have the VLM's: its task vector is zero there."""
        for array, source in zip(arrays[1:], sources(self.step)[1:], strict=True):
            if source.rows is not None:
                rows = self.device.from_numpy(mask)
                array.reshape(-1, self.shape[1])[rows] = arrays[0].reshape(-1, self.shape[1])[rows]

    def _uniform(self, place: Range, model: int) -> Any:
        """Numbers in [0, 1) for the elements of a block."""
        return self.device.from_numpy(chance.uniform(self.key(model), place[0], place[1] - place[0]))

    def key(self, model: int) -> int:
        """The key of a model's random numbers in this tensor."""
        return chance.key_of(self.seed, self.step.key, model)

    def fill_words(self, part: Range, words: Sequence[Words]) -> None:
        """`_fill_from_vlm` on words of one dtype."""
        mask = self.rows_in(part)
        if mask is not None:
            for other, source in zip(words[1:], sources(self.step)[1:], strict=True):
                if source.rows is not None:
                    other.reshape(-1, self.shape[1])[mask] = words[0].reshape(-1, self.shape[1])[mask]


class TensorStream:
    """A step's tensors from first to last element, read from disk at every call."""

    def __init__(self, operands: Operands) -> None:
        self.operands = operands
        self.parts = chunks(operands.step.tuned[0].info.elements, operands.shape[1])

    def __call__(self) -> Iterator[Block]:
        for part in self.parts:
            for _, block in self.operands.blocks(part, self._read(part)):
                yield block

    def task_histograms(self, bins: Bins | None) -> list[Counts]:
        """Histograms of |τᵢ|, by the compiled kernel where it can."""
        if not can_compile(self.operands.step, ""):
            return histograms_of(lambda: (block.tasks() for block in self()))(bins)
        totals: list[Counts] = []
        for part in self.parts:
            words = self._read(part)
            self.operands.fill_words(part, words)
            count_tasks_bf16(words, bins, totals)
        return totals

    def _read(self, part: Range) -> list[Words]:
        """A value that is no number is an error already here."""
        words = self.operands.read(part)
        if fault := self.operands.nonfinite(words):
            raise fault
        return words


def can_compile(step: Step, out: str) -> bool:
    """Whether the compiled kernel is there, and all of a step's tensors (and the result, if named) are bfloat16.

    It knows nothing of task vectors.
    """
    if any(source.is_task for source in step.tuned):
        return False
    formats = {source.info.dtype for source in sources(step)} | ({out} if out else set())
    return formats == {"BF16"} and library() is not None


def matrix_shape(shape: Sequence[int]) -> tuple[int, int]:
    """A tensor as rows × columns; a vector is one row."""
    if len(shape) < 2:
        return 1, max(math.prod(shape), 1)
    return shape[0], max(math.prod(shape[1:]), 1)


def aligned(elements: int, columns: int) -> int:
    """`elements` rounded down to whole rows; at least one row, unless a row alone is larger than a chunk."""
    return elements // columns * columns if columns <= elements else min(columns, CHUNK_ELEMENTS)


def chunks(elements: int, columns: int) -> list[Range]:
    """The pieces in which a tensor of so many elements is read: a function of its shape alone."""
    size = aligned(CHUNK_ELEMENTS, columns)
    return [(start, min(start + size, elements)) for start in range(0, elements, size)]
