"""Checkpoints of real shapes with made-up weights, for benchmarks.

The weights are normal, and related as real ones are: the VLM's backbone and the code LLM are the base plus small
differences. Tensors are streamed to disk in pieces; what is complete is left alone.

    cd benchmarks; python -m merging.checkpoints 0.5b DIR     writes DIR/vlm, DIR/code and DIR/base
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merging.shapes import SHAPES, SPECIAL, Shape, config, tensors
from viscodex.checkpoint.dtypes import FLOATS, decode, encode
from viscodex.checkpoint.writer import NewTensor, ShardPlan, create_shard, plan_shards, write_index
from viscodex.core.pagecache import write_all
from viscodex.core.rundir import partial_path, publish, remove_tree, write_json

BF16 = FLOATS["BF16"]
SPREAD, TUNED = 0.02, 0.1  # standard deviation of a weight, and how far tuning moves it in units of that
PIECE = 1 << 18


def write_checkpoints(name: str, folder: Path) -> None:
    """Write every role of a shape under `folder`, each published when it is complete."""
    shape = SHAPES[name]
    for role in shape.roles:
        if not (folder / role).is_dir():
            _write_checkpoint(shape, role, folder / role)


def _write_checkpoint(shape: Shape, role: str, out: Path) -> None:
    partial = partial_path(out)
    remove_tree(partial)
    partial.mkdir(parents=True)
    new = [NewTensor(name, BF16.name, dims, BF16.bytes * math.prod(dims)) for name, dims in tensors(shape, role)]
    plans = plan_shards(new, shape.shard_bytes)
    for plan in plans:
        _write_shard(partial, plan, role)
    write_index(partial, plans)
    write_json(partial / "config.json", config(shape, role))
    write_json(partial / "generation_config.json", {"eos_token_id": [shape.tokens + 2, shape.tokens]})
    write_json(partial / "tokenizer_config.json", {"tokenizer_class": "Qwen2Tokenizer", "model_max_length": 32768})
    (partial / "tokenizer.json").write_text(made_up_tokenizer(shape.tokens), encoding="utf-8")
    publish(partial, out)


# ---- weights


def _write_shard(folder: Path, plan: ShardPlan, role: str) -> None:
    file = create_shard(folder, plan)

    def write_piece(name: str, start: int, place: int, size: int) -> None:
        words = weights(name, role, place, size)
        write_all(file, words.view(np.uint8).data, start + place * BF16.bytes)

    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = [
                pool.submit(write_piece, tensor.name, start, place, min(PIECE, count - place))
                for tensor, start in zip(plan.tensors, plan.starts, strict=True)
                for count in [tensor.nbytes // BF16.bytes]
                for place in range(0, count, PIECE)
            ]
            for job in jobs:
                job.result()
    finally:
        os.close(file)


def weights(name: str, role: str, place: int, size: int) -> NDArray[np.uint16]:
    """A piece of a tensor as bfloat16 words: the base's, moved a little for the others. Norms lie around 1."""
    values = SPREAD * _normal(name, "base", place, size)
    if "norm" in name or "ln_q" in name:
        values += 1.0
    words = np.empty(size, dtype=BF16.words)
    encode(values, BF16, words)
    if role == "base" or name.startswith("visual."):
        return words
    moved = decode(words, BF16) + TUNED * SPREAD * _normal(name, role, place, size)
    encode(moved, BF16, words)
    return words


def _normal(name: str, role: str, place: int, size: int) -> NDArray[np.float32]:
    """Standard normal numbers, one of 65,536 quantiles each: quick, never too large."""
    seed = [zlib.crc32(f"{role}/{name}".encode()), place]
    bits = np.random.SFC64(seed).random_raw((size + 3) // 4)
    return _quantiles()[np.asarray(bits, dtype=np.uint64).view(np.uint16)[:size]]


@cache
def _quantiles() -> NDArray[np.float32]:
    normal = NormalDist()
    return np.array([normal.inv_cdf((i + 0.5) / 65536) for i in range(65536)], dtype=np.float32)


# ---- tokenizer


@cache
def made_up_tokenizer(tokens: int) -> str:
    """tokenizer.json of a byte-level BPE with so many invented tokens; at Qwen2.5's number it has its size, 7 MB."""
    names = [chr(code) for code in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))]
    known, merges, draw = set(names), [], random.Random(0)
    while len(names) < tokens:
        left, right = draw.choice(names), draw.choice(names)
        if len(left + right) <= 12 and left + right not in known:
            names.append(left + right)
            known.add(left + right)
            merges.append(f"{left} {right}")
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [_special(token, tokens + i) for i, token in enumerate(SPECIAL)],
            "normalizer": {"type": "NFC"},
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "post_processor": None,
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "vocab": {name: i for i, name in enumerate(names)}, "merges": merges},
        },
        ensure_ascii=False,
    )


def _special(token: str, number: int) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": number, "content": token, **flags}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    write_checkpoints(arguments.shape, arguments.folder)


if __name__ == "__main__":
    main()
