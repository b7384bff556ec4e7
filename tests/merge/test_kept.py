"""What repeats another tensor goes with it, and what is the VLM's alone stays so, whatever the method and format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.merge.conftest import Merge, words
from tests.merge.test_laws import copied, settings_of, vision_ids
from viscodex.checkpoint.layout import EMBEDDING, HEAD
from viscodex.model.tiny import Trio

Tiny = Callable[..., Trio]


@pytest.fixture
def repeating(tiny: Tiny, tmp_path: Path) -> Trio:
    """Models with tied embeddings whose VLM holds the output head all the same, as some savers write it."""
    trio = copied(tiny(tied=True, shards=1), tmp_path)
    tensors = load_file(trio.vlm / "model.safetensors")
    tensors[HEAD] = tensors[EMBEDDING].clone()
    save_file(tensors, trio.vlm / "model.safetensors")
    return trio


@pytest.mark.parametrize(
    "settings",
    [
        {"lam": {"lm_head.*": 0.1, "*": 0.7}},
        {"lam": [0.9, 0.1]},
        {"lam": 0.7, "merge": ["embeddings"]},
        {"lam": 0.7, "merge": ["head", "mlp"]},
        {"lam": 0.7, "embeddings": "vlm"},
        {"lam": 0.7, "method": "dare_linear"},
        {"lam": 0.7, "method": "della"},
        {"method": "model_stock"},
    ],
    ids=["pattern", "anchors", "embeddings alone", "head alone", "the vlm's", "dare_linear", "della", "model_stock"],
)
def test_a_tied_head_on_disk_repeats_the_embedding(repeating: Trio, merge: Merge, settings: dict[str, Any]) -> None:
    merged = words(merge(repeating, **settings))
    np.testing.assert_array_equal(merged[HEAD], merged[EMBEDDING])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("method", ["task_arithmetic", "slerp", "ties", "dare_ties"])
def test_rows_of_the_vlm_alone_are_kept_in_another_format(tiny: Tiny, merge: Merge, method: str, dtype: str) -> None:
    """Also by slerp, whose two factors sum to more than 1."""
    trio = tiny(shards=1)
    out = load_file(merge(trio, dtype=dtype, **settings_of(method)) / "model.safetensors")
    vlm = load_file(trio.vlm / "model.safetensors")
    for key in (EMBEDDING, HEAD):
        wanted = vlm[key][vision_ids(trio)].to(getattr(torch, dtype))
        assert torch.equal(out[key][vision_ids(trio)], wanted)


@pytest.mark.parametrize(("written", "value"), [(1, 1.0), (0, 0.0)])
def test_whole_numbers_are_weights_too(tiny: Tiny, merge: Merge, written: int, value: float) -> None:
    assert (merge(tiny(), lam=written) / "model.safetensors").read_bytes() == (
        merge(tiny(), lam=value) / "model.safetensors"
    ).read_bytes()


def test_an_empty_tensor_is_copied(tiny: Tiny, merge: Merge, tmp_path: Path) -> None:
    """No element to merge, and no rank to measure."""
    trio = copied(tiny(shards=1), tmp_path)
    for folder in trio:
        tensors = load_file(folder / "model.safetensors")
        tensors["model.layers.0.self_attn.sinks"] = torch.zeros(0, dtype=torch.bfloat16)
        save_file(tensors, folder / "model.safetensors")
    for method in ("task_arithmetic", "ties", "slerp", "sce", "wudi", "metagpt"):
        out = load_file(merge(trio, **settings_of(method)) / "model.safetensors")
        assert out["model.layers.0.self_attn.sinks"].shape == (0,)
