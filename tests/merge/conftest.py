"""Merging in tests: recipes from plain values, tensors of a folder as bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.merge.bench import bench, cli, forked, refused  # noqa: F401 (fixtures)
from viscodex.checkpoint.reader import Key, open_checkpoint
from viscodex.merge.job import merge_to_folder
from viscodex.merge.plan import plan_merge
from viscodex.merge.recipe import MergeRecipe
from viscodex.model.tiny import Trio

Merge = Callable[..., Path]


def recipe_of(trio: Trio, **settings: Any) -> MergeRecipe:
    """A recipe over a tiny trio; `lam` is λ."""
    values: dict[str, Any] = {"vlm": str(trio.vlm), "code": str(trio.code), "base": str(trio.base)}
    if "lam" in settings:
        settings["lambda"] = settings.pop("lam")
    return MergeRecipe.parse(values | settings, where="test")


@pytest.fixture
def merge(tmp_path: Path) -> Merge:
    """Merge a trio into a new folder and return it."""
    count = 0

    def run(
        trio: Trio, *, threads: int = 2, device: str = "cpu", lambdas: tuple[float, ...] = (), **settings: Any
    ) -> Path:
        nonlocal count
        count += 1
        out = tmp_path / f"merged-{count}"
        merge_to_folder(plan_merge(recipe_of(trio, **settings), out, lambdas), out, threads=threads, device=device)
        return out

    return run


def raw(folder: Path) -> dict[Key, bytes]:
    """Every tensor's bytes by (part, key)."""
    checkpoint = open_checkpoint(folder)
    assert not checkpoint.problems
    return {
        key: (folder / info.shard).read_bytes()[info.start : info.start + info.nbytes]
        for key, info in checkpoint.tensors.items()
    }


def words(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The backbone's bfloat16 words by key."""
    return {key: np.frombuffer(data, "<u2") for (part, key), data in raw(folder).items() if part == "backbone"}


def floats(bf16: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The values of bfloat16 words, in float64."""
    return (bf16.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def token_ids(folder: Path) -> dict[str, int]:
    """Token string → id."""
    content = json.loads((folder / "tokenizer.json").read_text())
    return {**content["model"]["vocab"], **{t["content"]: t["id"] for t in content["added_tokens"]}}
