"""`final/`: the trained weights under the names the hub uses, with the starting model's own files beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from viscodex.checkpoint.reader import Checkpoint, Key, TensorInfo, open_checkpoint, read_into
from viscodex.checkpoint.sidefiles import copy_side_files
from viscodex.checkpoint.writer import NewTensor, create_shard, plan_shards, write_index
from viscodex.core.errors import VisCodexError
from viscodex.core.pagecache import write_all
from viscodex.core.problems import refuse
from viscodex.core.rundir import atomic_write, partial_path, publish, remove_tree, write_json
from viscodex.model.load import check_loadable
from viscodex.train.adapters import learned_parameters
from viscodex.train.parallel import World

DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32, "F64": torch.float64}
PIECE = 16 << 20
"""Bytes copied at a time."""
KEYS_ARE_HUB_NAMES = ("qwen2_vl", "qwen2_5_vl")  # `model.layers.…`, `visual.…`


def write_final(folder: Path, model: Any, source: Path, record: Mapping[str, Any], world: World) -> Path:
    """Write `folder` whole: weights in the starting model's own number formats, side files, `train.json`, a card.

    Every rank takes part in gathering the tensors, one at a time; the first one writes them.
    """
    original = open_checkpoint(source, "model")
    refuse(original.problems, where=str(source))
    partial = partial_path(folder)
    if world.is_first:
        remove_tree(partial)
        partial.mkdir(parents=True)
        side_files = copy_side_files(source, partial)
        write_json(partial / "train.json", {**record, "side_files": side_files})
        atomic_write(partial / "README.md", _card(folder, source, record))
    _write_weights(partial, model, original, world)
    if world.is_first:
        check_loadable(partial)
        remove_tree(folder)
        publish(partial, folder)
    world.barrier()
    return folder


def disk_name(original: Checkpoint, key: Key, info: TensorInfo) -> str:
    """The hub's name of a tensor; for families whose hub names are not known here, the name it had."""
    return key[1] if original.config["model_type"] in KEYS_ARE_HUB_NAMES else info.name


def _write_weights(partial: Path, model: Any, original: Checkpoint, world: World) -> None:
    """What was trained from the model, all else from the starting files, byte for byte: in memory it may be rounded."""
    names = {key: disk_name(original, key, info) for key, info in original.tensors.items()}
    tensors = [NewTensor(names[key], i.dtype, i.shape, i.nbytes) for key, i in original.tensors.items()]
    plans = plan_shards(tensors)
    places = {t.name: (plan, start) for plan in plans for t, start in zip(plan.tensors, plan.starts, strict=True)}
    files = {plan.file: create_shard(partial, plan) for plan in plans} if world.is_first else {}
    frozen = set(original.tensors)
    try:
        for key, value in _learned(model, original):
            frozen.discard(key)
            info = original.tensors[key]
            if tuple(value.shape) != info.shape:
                raise VisCodexError(f"{key[1]} has shape {tuple(value.shape)}, and {info.shape} on disk")
            if world.is_first:
                plan, start = places[names[key]]
                data: Any = value.to("cpu", DTYPES[info.dtype]).contiguous().reshape(-1).view(torch.uint8).numpy()
                write_all(files[plan.file], memoryview(data), start)
        for key in sorted(frozen) if world.is_first else ():
            plan, start = places[names[key]]
            _copy(original, original.tensors[key], files[plan.file], start)
        for file in files.values():
            os.fsync(file)
    finally:
        for file in files.values():
            os.close(file)
    if world.is_first:
        write_index(partial, plans)


def _learned(model: Any, original: Checkpoint) -> Iterator[tuple[Key, torch.Tensor]]:
    """(part, key) and whole value of each trained tensor that the starting model's files hold.

    A tied head may not be on disk; where it is, it is the embedding again.
    """
    tied = {key for key, info in original.tensors.items() if info.tied_to}
    for name, value in learned_parameters(model):
        key = original.family.locate(name)
        if key is None:
            raise VisCodexError(f"the trained model has a tensor of no part: {name}")
        whole = value()
        if key in original.tensors:
            yield key, whole
        yield from ((head, whole) for head in tied if key == (head[0], original.tensors[head].tied_to))


def _copy(original: Checkpoint, info: TensorInfo, file: int, start: int) -> None:
    """A tensor's bytes as the starting model has them."""
    with (original.path / info.shard).open("rb") as source:
        for done in range(0, info.nbytes, PIECE):
            buffer = memoryview(bytearray(min(PIECE, info.nbytes - done)))
            read_into(source.fileno(), buffer, info.start + done, str(original.path / info.shard))
            write_all(file, buffer, start + done)


def _card(folder: Path, source: Path, record: Mapping[str, Any]) -> str:
    recipe = record["recipe"]
    return "\n".join(
        [
            "---",
            "library_name: transformers",
            "pipeline_tag: image-text-to-text",
            "tags:",
            "- viscodex",
            "- code",
            "---",
            "",
            f"# {recipe['name'] or folder.parent.name}",
            "",
            f"Fine-tuned by viscodex {record['versions']['viscodex']} from `{source.name}`: "
            f"{', '.join(recipe['train_parts'])} trained for {record['step']} steps "
            f"of {recipe['batch_size']} samples; the other parts keep every byte.",
            "",
            "Every setting, the versions and the hashes of what went in are in `train.json`.",
            "",
        ]
    )
