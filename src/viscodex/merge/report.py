"""What lies beside the merged weights: the VLM's own files, merge.json, the model card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xxhash

from viscodex.checkpoint.reader import Checkpoint
from viscodex.checkpoint.sidefiles import copy_side_files
from viscodex.core.rundir import atomic_write, write_json
from viscodex.merge.card import model_card
from viscodex.merge.page import as_facts, heat_maps, render
from viscodex.merge.plan import MergePlan
from viscodex.merge.record import Summary
from viscodex.merge.statistics import Distances, by_place, total
from viscodex.merge.step import SAMPLE_ELEMENTS
from viscodex.merge.tensors import CHUNK_ELEMENTS
from viscodex.version import __version__

SAMPLE_NOTE = (
    f"Measured while merging, on the first {SAMPLE_ELEMENTS:,} elements of every {CHUNK_ELEMENTS:,} (in whole rows). "
    "`viscodex merge inspect` measures all of them, and sign conflicts and overlaps too."
)


def write_side_files(plan: MergePlan, folder: Path, variant: int, summary: Summary) -> None:
    """Everything but the weights, into one variant's folder. Same inputs, same bytes: no times, no host names."""
    copied = copy_side_files(plan.vlm.path, folder)
    if plan.recipe.dtype:  # the one entry of config.json that then differs
        _set_dtype(folder / "config.json", plan.recipe.dtype)
    record = merge_record(plan, variant, summary) | {"side_files": copied}
    write_json(folder / "merge.json", record)
    samples = summary.samples.get(f"out:{variant}", {})
    write_json(folder / "merge_report.json", report_record(plan, samples))
    atomic_write(folder / "merge_report.html", report_page(plan, variant, samples))
    atomic_write(folder / "README.md", model_card(plan, variant))


def merge_record(plan: MergePlan, variant: int, summary: Summary) -> dict[str, Any]:
    """merge.json: what was merged, how, and the content hashes of inputs and output."""
    out = summary.hashes[f"out:{variant}"]
    return {
        "viscodex": __version__,
        "recipe": plan.recipes[variant].resolved(),
        "fingerprint": plan.recipes[variant].fingerprint,
        "inputs": {
            role: input_record(model) | {"xxh3_128": combined(summary.hashes.get(role, {}))}
            for role, model in zip(plan.roles, plan.models, strict=True)
        },
        "output": {"xxh3_128": combined(out), "tensors": len(out)},
        "parts": plan.summary(),
        "rows_from_vlm": {step.key: step.rows_from_vlm for step in plan.steps if step.rows_from_vlm},
    }


def report_record(plan: MergePlan, samples: Mapping[str, Distances]) -> dict[str, Any]:
    """merge_report.json: distances of every merged tensor, from a sample of its elements."""
    rows = {key: {"sampled": d.elements, **d.measures()} for key, d in samples.items()}
    return {"note": SAMPLE_NOTE, "all": total(samples.values()).measures() if samples else {}, "tensors": rows}


def report_page(plan: MergePlan, variant: int, samples: Mapping[str, Distances]) -> str:
    """merge_report.html: the same as heat maps."""
    recipe = plan.recipes[variant]
    facts = {
        "method": recipe.method,
        **{k: v for k, v in recipe.resolved().items() if k in ("lambda", "weights") and v},
    }
    facts |= {role: model.path.resolve().name for role, model in zip(plan.roles, plan.models, strict=True)}
    facts |= total(samples.values()).measures() if samples else {}
    return render(f"Merge report: {recipe.name}", as_facts(facts), heat_maps(by_place(samples)), [SAMPLE_NOTE])


def input_record(model: Checkpoint) -> dict[str, Any]:
    """Name, size and header hash of every input file. The hub's own SHA-256 is added where its cache tells it."""
    return {"path": str(model.path), "files": {shard: _file_record(model.path / shard) for shard in model.shards}}


def combined(table: Mapping[str, str]) -> str:
    """One digest for many tensors, independent of their order and sharding."""
    return xxhash.xxh3_128_hexdigest(json.dumps(sorted(table.items())).encode())


def _file_record(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        record: dict[str, Any] = {
            "bytes": path.stat().st_size,
            "header_xxh3_128": xxhash.xxh3_128_hexdigest(file.read(length)),
        }
    blob = path.resolve().name
    if path.is_symlink() and len(blob) == 64:
        record["sha256"] = blob
    return record


def _set_dtype(path: Path, dtype: str) -> None:
    config = json.loads(path.read_bytes())
    for level in (config, config.get("text_config") or {}):
        for name in ("dtype", "torch_dtype"):
            if name in level:
                level[name] = dtype
    if "dtype" not in config and "torch_dtype" not in config:
        config["dtype"] = dtype
    write_json(path, config)
