"""Open a checkpoint folder by its headers alone, and read tensors' bytes later, piece by piece."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from viscodex.checkpoint.dtypes import FLOATS
from viscodex.checkpoint.geometry import Geometry, read_geometry
from viscodex.checkpoint.header import Entry, read_header
from viscodex.checkpoint.layout import EMBEDDING, HEAD, Family, Part, family_of, is_buffer, layer_of
from viscodex.core.errors import VisCodexError, visible
from viscodex.core.pagecache import read_some
from viscodex.core.problems import Problem, refuse
from viscodex.core.rundir import read_json

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
TASK_VECTOR = "task_vector.json"  # beside weights that are differences to a base

# Left by quantisers that do not write into config.json.
QUANTISATION_FILES = {"quantize_config.json", "quant_config.json", "hf_quant_config.json"}
_BF16_RELEASE = "merge the bf16 release, quantise the result"

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
    """A model folder, known by its config and headers. `tensors` keeps the order of the files.

    `role` ("vlm", "code", …) is how messages call it; `stamps` holds size and time of each shard when it was read.
    """

    path: Path
    config: Mapping[str, Any]
    family: Family
    geometry: Geometry
    tensors: Mapping[Key, TensorInfo]
    buffers: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    role: str = ""
    stamps: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def find(self, key: Key) -> TensorInfo | None:
        """The tensor of a key; a tied lm_head that is not on disk is the embedding."""
        found = self.tensors.get(key)
        if found is None and key == ("backbone", HEAD) and self.geometry.tied_embeddings:
            return self.tensors.get(("backbone", EMBEDDING))
        return found

    @property
    def is_task_vector(self) -> bool:
        """Whether the tensors are what tuning added to a base, not a model."""
        return (self.path / TASK_VECTOR).is_file()

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
    weight_map = _read_index(path, problems)
    shards = sorted(set(weight_map.values())) if weight_map is not None else _single_shard(path, problems)
    stamps = {shard: stamp(path / shard) for shard in shards}  # before the headers, so that no change is missed
    entries = _read_shards(path, shards, weight_map, problems)
    problems = [replace(problem, where=": ".join(filter(None, (role, problem.where)))) for problem in problems]
    tensors, buffers = _sort_into_parts(entries, family, role, problems)
    geometry = read_geometry(config, family, role, problems)
    if not problems:  # what is missing follows from the faults already listed
        _check_complete(tensors, geometry, role, problems)
    tensors = _mark_tied(tensors, geometry)
    return Checkpoint(path, config, family, geometry, tensors, buffers, tuple(problems), role, stamps)


def stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does: its size and the time it was written; (−1, −1) for no file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return -1, -1
    return status.st_size, status.st_mtime_ns


def read_into(file: int, buffer: memoryview, offset: int, what: str, *, stays: bool = True) -> None:
    """Fill `buffer` from an open file at `offset`; a file that became shorter is an error that names it.

    Without `stays` the page cache keeps no more of the file than it held before.
    """
    done = 0
    while done < len(buffer):
        try:
            count = read_some(file, buffer[done:], offset + done, stays=stays)
        except OSError as error:
            raise VisCodexError(f"cannot read: {error.strerror}", where=what) from error
        if count == 0:
            raise VisCodexError("the file became shorter while it was read", where=what)
        done += count


def _refuse_other_formats(path: Path) -> None:
    try:
        names = {p.name for p in path.iterdir()}
    except OSError as error:
        raise VisCodexError(f"cannot read the checkpoint folder: {error.strerror}", where=str(path)) from error
    has_weights = any(name.endswith(".safetensors") for name in names)
    if "adapter_config.json" in names:
        raise VisCodexError(
            "this is a LoRA adapter, not a full checkpoint", str(path), "merge it into its base model first"
        )
    if not has_weights and (pickles := sorted(n for n in names if n.endswith((".bin", ".pt", ".pth")))):
        raise VisCodexError(
            f"the weights are pickles ({visible(pickles[0])}), which can run code when opened",
            where=str(path),
            hint='convert once: python -c "from transformers import AutoModel; '
            "AutoModel.from_pretrained('DIR').save_pretrained('NEW')\"",
        )
    if not has_weights and any(name.endswith(".gguf") for name in names):
        raise VisCodexError(
            "GGUF weights are quantised for inference", str(path), "use the safetensors release of the model"
        )
    if quantised := sorted(names & QUANTISATION_FILES):
        raise VisCodexError(f"the checkpoint is quantised ({quantised[0]})", str(path), _BF16_RELEASE)
    if "config.json" not in names:
        raise VisCodexError(
            "no config.json in the checkpoint folder", str(path), "name the folder that holds config.json"
        )


def _refuse_quantised(config: Mapping[str, Any], path: Path) -> None:
    text = config.get("text_config")
    levels = (config, text if isinstance(text, dict) else {})
    for level, name in itertools.product(levels, ("quantization_config", "compression_config")):
        if quantisation := level.get(name):
            method = quantisation.get("quant_method", "unknown") if isinstance(quantisation, dict) else "unknown"
            raise VisCodexError(f"the checkpoint is quantised ({visible(str(method))})", str(path), _BF16_RELEASE)


def _read_shards(
    path: Path, shards: list[str], weight_map: Mapping[str, str] | None, problems: list[Problem]
) -> list[tuple[str, Entry]]:
    found: list[tuple[str, Entry]] = []
    for shard in shards:
        if weight_map is not None and not _is_there(path / shard):
            problems.append(Problem("the index names a shard that is not there", shard, "download the folder again"))
            continue
        found += [(shard, entry) for entry in read_header(path / shard, problems)]
    if weight_map is not None and not problems:
        _check_index(weight_map, found, problems)
    return found


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False


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
            if key[0] == "backbone" and entry.dtype not in FLOATS:
                what = "a backbone tensor is quantised or no float"
                problems.append(Problem(what, f"{role}: {entry.name} is {entry.dtype}", "merge the bf16 release"))
            tensors[key] = TensorInfo(shard, entry.name, entry.dtype, entry.shape, entry.start, entry.nbytes)
    return tensors, tuple(buffers)


def _check_complete(tensors: Mapping[Key, TensorInfo], geometry: Geometry, role: str, problems: list[Problem]) -> None:
    """Every layer the config asks for, every tensor a layer has, and the sizes the config gives."""
    held = {key for part, key in tensors if part == "backbone"}
    layers = {layer for key in held if (layer := layer_of(key)) is not None}
    wanted = len(layers) if geometry.layers is None else geometry.layers
    gap = next(n for n in itertools.count() if n not in layers)
    if gap < wanted:
        where = f"{role}: layer {gap} of {wanted} is not there"
        problems.append(Problem("fewer layers on disk than the config says", where))
        return  # and a forged number of layers is not gone through
    if extra := sorted(layer for layer in layers if layer >= wanted):
        problems.append(Problem("more layers on disk than the config says", f"{role}: layer {extra[0]} of {wanted}"))
    missing = sorted(replace(geometry, layers=wanted).required_keys() - held)
    problems += [Problem("missing backbone tensor", f"{role}: {key}") for key in missing]
    for name, size, key, axis in geometry.sizes_on_disk():
        info = tensors.get(("backbone", key))
        if size is not None and info is not None and info.shape[axis : axis + 1] != (size,):
            where = f"{role}: {name} {size}, but {key} is {list(info.shape)}"
            problems.append(Problem("config.json and the tensors disagree", where))


def _mark_tied(tensors: dict[Key, TensorInfo], geometry: Geometry) -> dict[Key, TensorInfo]:
    head = tensors.get(("backbone", HEAD))
    if head is None or not geometry.tied_embeddings:
        return tensors
    tied = TensorInfo(head.shard, head.name, head.dtype, head.shape, head.start, head.nbytes, tied_to=EMBEDDING)
    return {**tensors, ("backbone", HEAD): tied}
