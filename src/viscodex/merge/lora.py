"""A task vector as a LoRA adapter: the best matrices of low rank, with the share of ‖τ‖² they keep; and back.

The adapter has PEFT's format and loads with `PeftModel.from_pretrained(base, FOLDER)`. Embedding, head, norms and
biases have no place in it; what they held is told, too.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viscodex.checkpoint.dtypes import FLOATS, decode, encode, has_nonfinite
from viscodex.checkpoint.layout import layer_of
from viscodex.checkpoint.reader import INDEX, Checkpoint, open_checkpoint, read_into
from viscodex.checkpoint.sidefiles import copy_side_files
from viscodex.checkpoint.source import resolve
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.pagecache import write_all
from viscodex.core.problems import refuse
from viscodex.core.rundir import partial_path, publish, read_json, remove_tree, require_free, write_json
from viscodex.merge.extract import backbone, by_kind, differences, plan_difference
from viscodex.merge.plan import MergePlan, Step
from viscodex.merge.report import input_record
from viscodex.merge.tensors import Inputs
from viscodex.version import __version__

ADAPTER, CONFIG, REPORT = "adapter_model.safetensors", "adapter_config.json", "lora_report.json"
Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Factors:
    """τ ≈ b @ a with b (rows, rank) and a (rank, columns); `kept` of `energy` = ‖τ‖²."""

    a: Matrix
    b: Matrix
    kept: float
    energy: float


def extract_lora(
    tuned: str, base: str, out: Path, *, rank: int = 0, energy: float = 0.0, threads: int = 0
) -> dict[str, Any]:
    """Write an adapter of at most `rank` per matrix, or of the smallest rank that keeps `energy` of it (or both).

    Holds the matrices that are at work, and all factors. Returns what was kept, over all and by kind.
    """
    import torch
    from safetensors.torch import save_file

    if not rank and not energy:
        raise UsageError("a LoRA adapter needs a rank or a share of the energy", hint="--rank 64 or --energy 0.9")
    require_free(out)
    plan = plan_difference(tuned, base)
    steps = backbone(plan)
    with closing(Inputs(plan.models)) as inputs, ThreadPoolExecutor(threads or min(os.cpu_count() or 1, 8)) as pool:
        found = dict(pool.map(lambda step: (step.key, _factors(plan, inputs, step, rank, energy)), steps))
    matrices = {key: made for key, made in found.items() if made.energy > 0 and made.a.size}
    if not matrices:
        raise VisCodexError("no linear layer of the two models differs", where=f"{tuned}, {base}")
    record = _record(plan, matrices, found)
    partial = partial_path(out)
    remove_tree(partial)
    partial.mkdir(parents=True)
    tensors = {}
    for key, made in matrices.items():
        name = f"base_model.model.{key.removesuffix('.weight')}"
        tensors[f"{name}.lora_A.weight"] = torch.from_numpy(np.ascontiguousarray(made.a))
        tensors[f"{name}.lora_B.weight"] = torch.from_numpy(np.ascontiguousarray(made.b))
    save_file(tensors, partial / ADAPTER, metadata={"format": "pt"})
    write_json(partial / CONFIG, adapter_config(base, {key: len(made.a) for key, made in matrices.items()}))
    write_json(partial / REPORT, record)
    publish(partial, out)
    return record


def apply_lora(adapter: Path, base: str, out: Path, *, scale: float = 1.0) -> dict[str, Any]:
    """θ = θ_base + scale · B A as a checkpoint in OUT: the base's files, with the adapted matrices changed in them."""
    require_free(out)
    model = open_checkpoint(resolve(base), "base")
    refuse(model.problems, where=base)
    partial = partial_path(out)
    remove_tree(partial)
    partial.mkdir(parents=True)
    copy_side_files(model.path, partial)
    for name in [*model.shards, *([INDEX] if (model.path / INDEX).is_file() else [])]:
        shutil.copyfile(model.path / name, partial / name)
    changed = [_add(partial, model, key, scale * product) for key, product in read_lora(adapter)]
    write_json(partial / "apply.json", {"viscodex": __version__, "adapter": str(adapter), "base": base, "scale": scale})
    publish(partial, out)
    return {"tensors": len(changed), "folder": str(out)}


def low_rank(task: Matrix, rank: int, energy: float) -> Factors:
    """The closest matrix of a rank (Eckart–Young), by the eigenvectors of the smaller Gram matrix in float64."""
    wide = task.astype(np.float64)
    is_flat = wide.shape[0] <= wide.shape[1]
    values, vectors = np.linalg.eigh(wide @ wide.T if is_flat else wide.T @ wide)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    total = float(values.sum())
    wanted = len(values) if not rank else min(rank, len(values))
    if energy and total > 0:
        enough = int(np.searchsorted(np.cumsum(values) / total, energy - 1e-12)) + 1
        wanted = min(wanted, enough)
    chosen = vectors[:, :wanted]
    b, a = (chosen, chosen.T @ wide) if is_flat else (wide @ chosen, chosen.T)
    return Factors(a.astype(np.float32), b.astype(np.float32), float(values[:wanted].sum()), total)


def adapter_config(base: str, ranks: Mapping[str, int]) -> dict[str, Any]:
    """adapter_config.json: alpha equals the rank everywhere, so that the product is added as it is."""
    largest = max(ranks.values())
    modules = {key.removesuffix(".weight"): rank for key, rank in ranks.items()}
    others = {module: rank for module, rank in modules.items() if rank != largest}
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": largest,
        "lora_alpha": largest,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": sorted(modules),
        "rank_pattern": others,
        "alpha_pattern": others,
    }


def read_lora(folder: Path) -> Iterator[tuple[str, Matrix]]:
    """Backbone key → scale · B A of an adapter in PEFT's format."""
    from safetensors import safe_open

    config = read_json(folder / CONFIG)
    if config.get("peft_type") != "LORA" or config.get("use_dora") or config.get("bias", "none") != "none":
        raise VisCodexError("only plain LoRA adapters can be applied", where=str(folder / CONFIG))
    root = 0.5 if config.get("use_rslora") else 1.0
    with safe_open(folder / ADAPTER, "pt") as file:
        names = sorted(name for name in file.keys() if name.endswith(".lora_A.weight"))  # noqa: SIM118
        for name in names:
            module = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            rank = config.get("rank_pattern", {}).get(module, config["r"])
            alpha = config.get("alpha_pattern", {}).get(module, config["lora_alpha"])
            a = file.get_tensor(name).float().numpy()
            b = file.get_tensor(name.replace(".lora_A.", ".lora_B.")).float().numpy()
            yield f"{module}.weight", (alpha / rank**root) * (b @ a)


def _add(folder: Path, model: Checkpoint, key: str, product: Matrix) -> str:
    """Add to a tensor of a copied checkpoint, in float32, rounded once."""
    info = model.find(("backbone", key))
    if info is None or info.shape != product.shape:
        there = "no such tensor" if info is None else list(info.shape)
        raise VisCodexError("the adapter is for another model", f"{key}: {list(product.shape)}, the base: {there}")
    dtype, data = FLOATS[info.dtype], bytearray(info.nbytes)
    file = os.open(folder / info.shard, os.O_RDWR)
    try:
        read_into(file, memoryview(data), info.start, key)
        words = np.frombuffer(data, dtype.words)
        encode(decode(words, dtype) + np.ravel(product), dtype, words)
        if has_nonfinite(words, dtype):
            raise VisCodexError(f"a value does not fit {dtype.torch_name}", where=key)
        write_all(file, memoryview(data), info.start)
        os.fsync(file)
    finally:
        os.close(file)
    return key


def _factors(plan: MergePlan, inputs: Inputs, step: Step, rank: int, energy: float) -> Factors:
    """Of a linear layer its factors; of any other tensor none, and its energy."""
    task = np.concatenate([np.ravel(task) for _, task, _ in differences(plan, inputs, step)])
    if layer_of(step.key) is not None and len(step.out.shape) == 2:
        return low_rank(task.reshape(step.out.shape), rank, energy)
    nothing = np.empty((0, 0), np.float32)
    return Factors(nothing, nothing, 0.0, float((task.astype(np.float64) ** 2).sum()))


def _record(plan: MergePlan, matrices: Mapping[str, Factors], found: Mapping[str, Factors]) -> dict[str, Any]:
    total = sum(made.energy for made in found.values())
    in_matrices, kept = (sum(getattr(made, name) for made in matrices.values()) for name in ("energy", "kept"))
    parameters = sum(made.a.size + made.b.size for made in matrices.values())
    return {
        "viscodex": __version__,
        "tuned": input_record(plan.vlm),
        "base": input_record(plan.models[-1]),
        "matrices": len(matrices),
        "parameters": parameters,
        "energy_kept": kept / in_matrices,
        "energy_kept_of_all": kept / total,
        "energy": by_kind({key: made.energy for key, made in found.items()}),
        "each": {key: {"rank": len(made.a), "energy_kept": made.kept / made.energy} for key, made in matrices.items()},
    }
