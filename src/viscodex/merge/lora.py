"""A task vector as a LoRA adapter: the best matrices of low rank, with the share of ‖τ‖² they keep; and back.

The adapter has PEFT's format and loads with `PeftModel.from_pretrained(base, FOLDER)`. Embedding, head, norms and
biases have no place in it; what they held is told, too.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viscodex.checkpoint.dtypes import FLOATS, decode, encode, has_nonfinite
from viscodex.checkpoint.header import Entry, read_header
from viscodex.checkpoint.layout import layer_of
from viscodex.checkpoint.reader import INDEX, Checkpoint, TensorInfo, open_checkpoint, read_into
from viscodex.checkpoint.sidefiles import copy_side_files
from viscodex.checkpoint.source import resolve
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.pagecache import write_all
from viscodex.core.problems import Problem, refuse
from viscodex.core.rundir import read_json, require_free, write_json
from viscodex.merge.checks import output_problems, require_unchanged
from viscodex.merge.extract import backbone, by_kind, differences, plan_difference
from viscodex.merge.plan import MergePlan, Step
from viscodex.merge.report import input_record
from viscodex.merge.staging import staged_anew
from viscodex.merge.tensors import Inputs
from viscodex.version import __version__

ADAPTER, CONFIG, REPORT = "adapter_model.safetensors", "adapter_config.json", "lora_report.json"
APPLIED = "apply.json"  # beside a base with an adapter added: what was added to what
PREFIX = "base_model.model."
NOT_PLAIN = ("use_dora", "fan_in_fan_out", "layer_replication")  # entries of adapter_config.json that ask for more
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
    tensors = {}
    for key, made in matrices.items():
        name = f"{PREFIX}{key.removesuffix('.weight')}"
        tensors[f"{name}.lora_A.weight"] = torch.from_numpy(np.ascontiguousarray(made.a))
        tensors[f"{name}.lora_B.weight"] = torch.from_numpy(np.ascontiguousarray(made.b))
    with staged_anew(out) as folder:
        save_file(tensors, folder / ADAPTER, metadata={"format": "pt"})
        write_json(folder / CONFIG, adapter_config(base, {key: len(made.a) for key, made in matrices.items()}))
        write_json(folder / REPORT, record)
    return record


def apply_lora(adapter: Path, base: str, out: Path, *, scale: float = 1.0) -> dict[str, Any]:
    """θ = θ_base + scale · B A as a checkpoint in OUT: the base's files, with the adapted matrices changed in them."""
    require_free(out)
    model = open_checkpoint(resolve(base), "base")
    refuse(model.problems, where=base)
    adapted = _located(model, adapter)
    refuse(output_problems([model], model.nbytes, out), where=str(out))
    with staged_anew(out) as folder:
        copied = copy_side_files(model.path, folder)
        for name in [*model.shards, *([INDEX] if (model.path / INDEX).is_file() else [])]:
            shutil.copyfile(model.path / name, folder / name)
        for info, matrix in adapted:
            _add(folder, info, scale, matrix)
        require_unchanged([model])
        facts = {"viscodex": __version__, "adapter": str(adapter), "base": base, "scale": scale, "side_files": copied}
        write_json(folder / APPLIED, facts)
    return {"tensors": len(adapted), "folder": str(out)}


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


@dataclass(frozen=True)
class Adapted:
    """What an adapter adds to one matrix: factor · b @ a, the two of them read when they are wanted."""

    module: str
    path: Path
    names: tuple[str, str]
    shape: tuple[int, int]
    factor: float

    def product(self) -> Matrix:
        from safetensors import safe_open

        with safe_open(self.path, "pt") as file:
            a, b = (file.get_tensor(name).float().numpy() for name in self.names)
        return np.asarray(self.factor * (b @ a), dtype=np.float32)


def read_lora(folder: Path) -> list[Adapted]:
    """The matrices of a plain LoRA adapter in PEFT's format, from config and header; any other adapter is refused."""
    config = read_json(folder / CONFIG)
    if not isinstance(config, dict) or config.get("peft_type") != "LORA" or any(map(config.get, NOT_PLAIN)):
        raise VisCodexError("only plain LoRA adapters can be applied", where=str(folder / CONFIG))
    if config.get("bias", "none") != "none":
        raise VisCodexError("only plain LoRA adapters can be applied", f"{folder / CONFIG}: bias")
    problems: list[Problem] = []
    entries = {entry.name: entry for entry in read_header(folder / ADAPTER, problems)}
    refuse(problems, where=str(folder))
    pairs = {name: name.replace(".lora_A.", ".lora_B.") for name in sorted(entries) if name.endswith(".lora_A.weight")}
    if odd := sorted(entries.keys() - pairs.keys() - set(pairs.values())):
        raise VisCodexError("the adapter holds more than pairs of matrices", where=f"{folder / ADAPTER}: {odd[0]}")
    return [_adapted(folder, config, entries[name], entries.get(other)) for name, other in pairs.items()]


def _adapted(folder: Path, config: Mapping[str, Any], a: Entry, b: Entry | None) -> Adapted:
    if b is None or len(a.shape) != 2 or len(b.shape) != 2 or a.shape[0] != b.shape[1] or not a.shape[0]:
        raise VisCodexError("two matrices of the adapter do not fit together", where=f"{folder / ADAPTER}: {a.name}")
    module, rank = a.name.removeprefix(PREFIX).removesuffix(".lora_A.weight"), a.shape[0]
    factor = _alpha(config, module) / rank ** (0.5 if config.get("use_rslora") else 1.0)
    return Adapted(module, folder / ADAPTER, (a.name, b.name), (b.shape[0], a.shape[1]), factor)


def _alpha(config: Mapping[str, Any], module: str) -> float:
    """PEFT's rule: a pattern is for every module whose name ends in it; its first match wins."""
    for pattern, alpha in (config.get("alpha_pattern") or {}).items():
        if re.fullmatch(rf"(.*\.)?({pattern})", module):
            return float(alpha)
    return float(config.get("lora_alpha", 8))


def _located(model: Checkpoint, adapter: Path) -> list[tuple[TensorInfo, Adapted]]:
    """Each matrix of an adapter with the base's tensor it is added to, whichever layout the names are of."""
    found = []
    for matrix in read_lora(adapter):
        key = model.family.locate(f"{matrix.module}.weight")
        info = model.tensors.get(key) if key else None
        if info is None or info.shape != matrix.shape or info.dtype not in FLOATS:
            there = "no such tensor" if info is None else f"{list(info.shape)}, {info.dtype}"
            where = f"{matrix.module}: {list(matrix.shape)}, the base: {there}"
            raise VisCodexError("the adapter is for another model", where)
        found.append((info, matrix))
    return found


def _add(folder: Path, info: TensorInfo, scale: float, matrix: Adapted) -> None:
    """Add to a tensor of a copied checkpoint, in float32, rounded once."""
    dtype, data = FLOATS[info.dtype], bytearray(info.nbytes)
    file = os.open(folder / info.shard, os.O_RDWR)
    try:
        read_into(file, memoryview(data), info.start, info.name)
        words = np.frombuffer(data, dtype.words)
        with np.errstate(all="ignore"):  # what is not finite is refused by name just below
            encode(decode(words, dtype) + np.ravel(np.float32(scale) * matrix.product()), dtype, words)
        if has_nonfinite(words, dtype):
            raise VisCodexError(f"a value does not fit {dtype.torch_name}", where=info.name)
        write_all(file, memoryview(data), info.start)
        os.fsync(file)
    finally:
        os.close(file)


def _factors(plan: MergePlan, inputs: Inputs, step: Step, rank: int, energy: float) -> Factors:
    """Of a linear layer its factors; of any other tensor none, and its energy: an embedding is not held as a whole."""
    tasks = (np.ravel(task) for _, task, _ in differences(plan, inputs, step))
    if layer_of(step.key) is not None and len(step.out.shape) == 2:
        return low_rank(np.concatenate(list(tasks)).reshape(step.out.shape), rank, energy)
    nothing = np.empty((0, 0), np.float32)
    return Factors(nothing, nothing, 0.0, sum(float((task.astype(np.float64) ** 2).sum()) for task in tasks))


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
