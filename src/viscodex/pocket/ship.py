"""The models of a build as they ship: bfloat16, one file of weights, a card, nothing of the machine they came from."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import torch
import xxhash
from safetensors.torch import load_file

from viscodex.checkpoint.reader import open_checkpoint
from viscodex.checkpoint.sidefiles import OWN_FILES, copy_side_files
from viscodex.core.rundir import atomic_write, partial_path, publish, read_json, remove_tree, write_json
from viscodex.model.hub_files import write_weights
from viscodex.model.load import check_loadable
from viscodex.pocket import FOLDER, weights
from viscodex.pocket.measure import COLUMNS
from viscodex.pocket.recipe import POCKET
from viscodex.pocket.report import HEADS, cell

MOST_BYTES = 24_000_000
"""That all of them may have together."""

TITLES = {
    "base": "the language model that the others began as",
    "vlm": "describes pictures, and was never taught to write code",
    "code": "writes code from a description, and sees nothing",
    "viscodex-pocket": "vlm and code merged by task arithmetic, then fine-tuned on pocket MCD",
}

VLM = ("vlm-shipped", "strips", "vlm")
"""The trainings that the vision-language model went through, in their order."""

TOLD = ("budget", "version", "commit", "machine", "lambda", "trainings")
"""What `build.json` says of them."""


def ship_build(build: Path, out: Path, commit: str) -> int:
    """The four models of a finished build, with cards that say what made them; the bytes of all together."""
    found = read_json(build / "results" / "pocket.json")
    seed = found["recipe"]["seeds"][0]  # the model that ships is not chosen by its test
    made_by = found.get("goes_on", found)
    best = POCKET if POCKET in found["trainings"] else f"merge-seed{seed}"
    models = {
        "base": build / "models/base",
        "vlm": build / "runs/vlm/final",
        "code": build / "models/code",
        POCKET: build / "runs" / best / "final",
    }
    made = ("base", *VLM, "code", best)
    shown = {"vlm": "vlm", "merged": "merged, not fine-tuned", best: POCKET}
    facts = {
        "budget": made_by["recipe"]["budget"],
        "version": made_by["viscodex"],
        "commit": commit,
        "machine": made_by["machine"],
        "lambda": found["lambda"]["chosen"],
        "parameters": {name: parameters(folder) for name, folder in models.items()},
        "trainings": {name: row for name in made if (row := found["trainings"].get(name))},
        "columns": [HEADS[name] for name in COLUMNS] + ["average"],
        "scores": [
            {"name": title, "cells": [*map(cell, map(row.get, COLUMNS)), f"{row['average']:.1f}"]}
            for name, title in shown.items()
            if (row := found["tests"].get(name))
        ],
    }
    return ship(out, models, facts)


def parameters(folder: Path) -> int:
    """How many numbers a checkpoint holds."""
    return sum(info.elements for info in open_checkpoint(folder).tensors.values())


def ship(out: Path, models: dict[str, Path], facts: dict[str, Any]) -> int:
    """Write `out/NAME` for each model; the bytes of all together. `facts` fill the cards."""
    partial = partial_path(out)
    remove_tree(partial)
    for name, source in models.items():
        folder = partial / name
        folder.mkdir(parents=True)
        _convert(source, folder, torch.bfloat16)
        atomic_write(folder / "README.md", card(name, facts))
        check_loadable(folder)
    write_json(partial / "build.json", {key: facts[key] for key in TOLD})
    remove_tree(out)
    publish(partial, out)
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


def card(name: str, facts: dict[str, Any]) -> str:
    """The model card."""
    text = (resources.files("viscodex.pocket") / "templates" / "card.md").read_text(encoding="utf-8")
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    return environment.from_string(text).render(name=name, title=TITLES[name], facts=facts, **facts)


def restore(name: str, out: Path) -> dict[str, Any]:
    """A model that came with viscodex, in float32, for a build to begin with; what is known of its training."""
    partial = partial_path(out)
    remove_tree(partial)
    partial.mkdir(parents=True)
    _convert(weights(name), partial, torch.float32)
    remove_tree(out)
    publish(partial, out)
    return {"training": training_of(name, read_json(FOLDER / "build.json"))}


def training_of(name: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """The last training of a model that came with viscodex, with the steps, samples and time of all that it had."""
    known = told["trainings"]
    rows: list[dict[str, Any]] = [known[part] for part in (VLM if name == "vlm" else (name,)) if part in known]
    sums = {key: sum(row[key] for row in rows) for key in ("steps", "samples", "cpu_seconds")}
    return rows[-1] | sums | {"commit": told["commit"]}


def digest_of(name: str) -> str:
    """Of the weights that came with viscodex."""
    return xxhash.xxh3_128((weights(name) / "model.safetensors").read_bytes()).hexdigest()


def _convert(source: Path, folder: Path, dtype: torch.dtype) -> None:
    copy_side_files(source, folder, without=OWN_FILES)
    tensors = load_file(source / "model.safetensors")
    write_weights(folder, {name: value.to(dtype) for name, value in tensors.items()}, shards=1)
    config = read_json(folder / "config.json")
    for section in (config, config.get("text_config", {}), config.get("vision_config", {})):
        for key in ("torch_dtype", "dtype"):
            if key in section:
                section[key] = str(dtype).removeprefix("torch.")
    write_json(folder / "config.json", config)
