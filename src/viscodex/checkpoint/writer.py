"""Write a checkpoint whose every shape is known in advance: headers first, then any bytes at their final place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from viscodex.checkpoint.header import encode_header
from viscodex.checkpoint.reader import INDEX, SINGLE
from viscodex.core.pagecache import write_all
from viscodex.core.rundir import write_json

DEFAULT_SHARD_BYTES = 5_000_000_000


@dataclass(frozen=True)
class NewTensor:
    """A tensor to be written: on-disk name, safetensors dtype name, shape, size in bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int


@dataclass(frozen=True)
class ShardPlan:
    """One file to be: its header, and where each tensor starts."""

    file: str
    tensors: tuple[NewTensor, ...]
    header: bytes
    starts: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return len(self.header) + sum(tensor.nbytes for tensor in self.tensors)


def plan_shards(tensors: Sequence[NewTensor], shard_bytes: int = DEFAULT_SHARD_BYTES) -> list[ShardPlan]:
    """Cut a sequence of tensors into files of at most `shard_bytes` (a larger tensor stands alone), order kept."""
    groups: list[list[NewTensor]] = [[]]
    filled = 0
    for tensor in tensors:
        if groups[-1] and filled + tensor.nbytes > shard_bytes:
            groups.append([])
            filled = 0
        groups[-1].append(tensor)
        filled += tensor.nbytes
    if len(groups) == 1:
        return [_plan(SINGLE, groups[0])]
    return [_plan(f"model-{i:05d}-of-{len(groups):05d}.safetensors", group) for i, group in enumerate(groups, 1)]


def create_shard(folder: Path, plan: ShardPlan) -> int:
    """Create the file at its full size with its header, and return the open descriptor (read and write)."""
    file = os.open(folder / plan.file, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.posix_fallocate(file, 0, plan.nbytes)  # a full disk is found now, not after an hour
        write_all(file, memoryview(plan.header), 0)
    except BaseException:
        os.close(file)
        raise
    return file


def write_index(folder: Path, plans: Sequence[ShardPlan]) -> None:
    """`model.safetensors.index.json`, unless there is a single file."""
    if len(plans) == 1:
        return
    total = sum(tensor.nbytes for plan in plans for tensor in plan.tensors)
    weight_map = {tensor.name: plan.file for plan in plans for tensor in plan.tensors}
    write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))})


def _plan(file: str, tensors: Sequence[NewTensor]) -> ShardPlan:
    header = encode_header([(t.name, t.dtype, t.shape, t.nbytes) for t in tensors])
    starts, position = [], len(header)
    for tensor in tensors:
        starts.append(position)
        position += tensor.nbytes
    return ShardPlan(file, tuple(tensors), header, tuple(starts))
