"""Open a checkpoint folder by its headers alone, and read tensors' bytes later, piece by piece."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viscodex.checkpoint.geometry import Geometry, read_geometry
from viscodex.checkpoint.header import Entry, read_header
from viscodex.checkpoint.layout import EMBEDDING, HEAD, Family, Part, family_of, is_buffer
from viscodex.core.errors import VisCodexError
from viscodex.core.problems import Problem, refuse
from viscodex.core.rundir import read_json

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"

Key = tuple[Part, str]


@dataclass(frozen=True)
class TensorInfo:
    """A tensor on disk: `start` and `nbytes` are positions in the shard; `tied_to` names the tensor it repeats."""

    shard: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    nbytes: int
    tied_to: str = ""

    @property
    def elements(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True)
class Checkpoint:
    """A model folder, known by its config and headers. `tensors` keeps the order of the files."""

    path: Path
    config: Mapping[str, Any]
    family: Family
    geometry: Geometry
    tensors: Mapping[Key, TensorInfo]
    buffers: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = field(default=())

    def find(self, key: Key) -> TensorInfo | None:
        """The tensor of a key; a tied lm_head that is not on disk is the embedding."""
        found = self.tensors.get(key)
        if found is None and key == ("backbone", HEAD) and self.geometry.tied_embeddings:
            return self.tensors.get(("backbone", EMBEDDING))
        return found

    @property
    def shards(self) -> list[str]:
        return list(dict.fromkeys(info.shard for info in self.tensors.values()))

    @property
    def nbytes(self) -> int:
        return sum(info.nbytes for info in self.tensors.values())


def open_checkpoint(path: Path, role: str = "") -> Checkpoint:
    """Read config and headers; faults go to `.problems`, a folder that is no checkpoint raises.

    `role` ("vlm", "code", …) is how problems call it.
    """
    role = role or path.name
    _refuse_other_formats(path)
    config = read_json(path / "config.json")
    if not isinstance(config, dict):
        raise VisCodexError("config.json is not an object", where=str(path))
    _refuse_quantised(config, path)
    problems: list[Problem] = []
    family = family_of(config, str(path), problems)
    if family is None:
        refuse(problems)
        raise AssertionError("unreachable")
    entries = _read_shards(path, problems)
    tensors, buffers = _sort_into_parts(entries, family, role, problems)
    geometry = read_geometry(config, family)
    _check_complete(tensors, geometry, role, problems)
    tensors = _mark_tied(tensors, geometry)
    return Checkpoint(path, config, family, geometry, tensors, buffers, tuple(problems))


def read_into(file: int, buffer: memoryview, offset: int, what: str) -> None:
    """Fill `buffer` from an open file at `offset`; a file that became shorter is an error that names it."""
    done = 0
    while done < len(buffer):
        count = os.preadv(file, [buffer[done:]], offset + done)
        if count == 0:
            raise VisCodexError("the file became shorter while it was read", where=what)
        done += count


def _refuse_other_formats(path: Path) -> None:
    names = {p.name for p in path.iterdir()}
    has_weights = any(name.endswith(".safetensors") for name in names)
    if "adapter_config.json" in names:
        raise VisCodexError(
            "this is a LoRA adapter, not a full checkpoint", str(path), "merge it into its base model first"
        )
    if not has_weights and (pickles := sorted(n for n in names if n.endswith((".bin", ".pt", ".pth")))):
        raise VisCodexError(
            f"the weights are pickles ({pickles[0]}), which can run code when opened",
            where=str(path),
            hint='convert once: python -c "from transformers import AutoModel; '
            "AutoModel.from_pretrained('DIR').save_pretrained('NEW')\"",
        )
    if not has_weights and any(name.endswith(".gguf") for name in names):
        raise VisCodexError(
            "GGUF weights are quantised for inference", str(path), "use the safetensors release of the model"
        )
    if "config.json" not in names:
        raise VisCodexError(
            "no config.json in the checkpoint folder", str(path), "name the folder that holds config.json"
        )


def _refuse_quantised(config: Mapping[str, Any], path: Path) -> None:
    text = config.get("text_config")
    levels = (config, text if isinstance(text, dict) else {})
    for quantisation in (level["quantization_config"] for level in levels if level.get("quantization_config")):
        method = quantisation.get("quant_method", "unknown") if isinstance(quantisation, dict) else "unknown"
        raise VisCodexError(
            f"the checkpoint is quantised ({method})",
            where=str(path),
            hint="merge the bf16 release, quantise the result",
        )


def _read_shards(path: Path, problems: list[Problem]) -> list[tuple[str, Entry]]:
    weight_map = _read_index(path, problems)
    shards = sorted(set(weight_map.values())) if weight_map is not None else _single_shard(path, problems)
    found: list[tuple[str, Entry]] = []
    for shard in shards:
        if not (path / shard).is_file():
            problems.append(Problem("the index names a shard that is not there", shard, "download the folder again"))
            continue
        found += [(shard, entry) for entry in read_header(path / shard, problems)]
    if weight_map is not None and not problems:
        _check_index(weight_map, found, problems)
    return found


def _read_index(path: Path, problems: list[Problem]) -> dict[str, str] | None:
    if not (path / INDEX).exists():
        return None
    index = read_json(path / INDEX)
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict) or not all(isinstance(v, str) for v in weight_map.values()):
        problems.append(Problem(f"{INDEX} has no weight_map"))
        return {}
    outside = sorted({v for v in weight_map.values() if "/" in v or "\\" in v or v in ("", ".", "..")})
    problems += [Problem("the index names a file outside the folder", name) for name in outside]
    return {k: v for k, v in weight_map.items() if v not in outside}


def _single_shard(path: Path, problems: list[Problem]) -> list[str]:
    if (path / SINGLE).exists():
        return [SINGLE]
    shards = sorted(p.name for p in path.glob("*.safetensors"))
    if len(shards) == 1:
        return shards
    what = f"several shards but no {INDEX}" if shards else "no safetensors weights in the folder"
    problems.append(Problem(what, str(path), "download the folder again"))
    return []


def _check_index(weight_map: Mapping[str, str], found: list[tuple[str, Entry]], problems: list[Problem]) -> None:
    held: dict[str, list[str]] = {}
    for shard, entry in found:
        held.setdefault(entry.name, []).append(shard)
    for name, shards in held.items():
        if len(shards) > 1:
            problems.append(Problem("duplicate tensor in several shards", f"{name}: {', '.join(shards)}"))
        elif name not in weight_map:
            problems.append(Problem("a shard holds a tensor that the index does not list", f"{shards[0]}: {name}"))
    for name, shard in weight_map.items():
        if shard not in held.get(name, []):
            problems.append(Problem("the index lists a tensor that its shard does not hold", f"{shard}: {name}"))


def _sort_into_parts(
    entries: list[tuple[str, Entry]], family: Family, role: str, problems: list[Problem]
) -> tuple[dict[Key, TensorInfo], tuple[str, ...]]:
    tensors: dict[Key, TensorInfo] = {}
    buffers = []
    for shard, entry in entries:
        if is_buffer(entry.name):
            buffers.append(entry.name)
            continue
        key = family.locate(entry.name)
        if key is None:
            problems.append(Problem("a tensor belongs to no part of this model type", f"{role}: {entry.name}"))
        elif key in tensors:
            problems.append(
                Problem("duplicate tensor under two names", f"{role}: {tensors[key].name} and {entry.name}")
            )
        else:
            tensors[key] = TensorInfo(shard, entry.name, entry.dtype, entry.shape, entry.start, entry.nbytes)
    return tensors, tuple(buffers)


def _check_complete(tensors: Mapping[Key, TensorInfo], geometry: Geometry, role: str, problems: list[Problem]) -> None:
    if problems:
        return  # what is missing follows from the faults already listed
    held = {key for part, key in tensors if part == "backbone"}
    missing = sorted(geometry.required_keys() - held)
    problems += [Problem("missing backbone tensor", f"{role}: {key}") for key in missing]
    layers = {int(key.split(".")[2]) for key in held if key.startswith("model.layers.")}
    if geometry.layers is not None and (extra := sorted(n for n in layers if n >= geometry.layers)):
        problems.append(
            Problem("more layers on disk than the config says", f"{role}: layer {extra[0]} of {geometry.layers}")
        )


def _mark_tied(tensors: dict[Key, TensorInfo], geometry: Geometry) -> dict[Key, TensorInfo]:
    head = tensors.get(("backbone", HEAD))
    if head is None or not geometry.tied_embeddings:
        return tensors
    tied = TensorInfo(head.shard, head.name, head.dtype, head.shape, head.start, head.nbytes, tied_to=EMBEDDING)
    return {**tensors, ("backbone", HEAD): tied}
