"""A VLM without a piece of its eyes is told of before anything is merged into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from viscodex.checkpoint.layout import FAMILIES
from viscodex.checkpoint.reader import open_checkpoint
from viscodex.checkpoint.vision import vision_problems
from viscodex.model.tiny import Trio

BLOCKS = {"vision_config": {"depth": 2}}
KEYS = [
    *[
        ("vision", f"visual.blocks.{number}.{name}")
        for number in (0, 1)
        for name in ("attn.qkv.weight", "norm1.weight")
    ],
    ("vision", "visual.patch_embed.proj.weight"),
    ("projector", "visual.merger.ln_q.weight"),
    ("backbone", "model.norm.weight"),
]


@pytest.mark.parametrize("layout", ["hub", "memory"])
@pytest.mark.parametrize("family", sorted(name for name, family in FAMILIES.items() if family.is_multimodal))
def test_whole_models_of_every_family_lack_nothing(tiny: Callable[..., Trio], family: str, layout: str) -> None:
    vlm = open_checkpoint(tiny(family, layout=layout).vlm, "vlm")
    assert vision_problems(vlm.tensors, vlm.config, "vlm") == []


@pytest.mark.parametrize(
    ("left_out", "config", "what", "where"),
    [
        ("visual.blocks.1.norm1", BLOCKS, "missing vision tensor", "vlm: visual.blocks.1.norm1.weight"),
        ("visual.blocks.1.", BLOCKS, "a vision block is missing", "vlm: visual.blocks.1 of 2"),
        ("visual.blocks.0.", {}, "a vision block is missing", "vlm: visual.blocks.0 of 2"),
        ("visual.merger.", BLOCKS, "the checkpoint has no projector tensors", "vlm"),
        ("-", {"vision_config": {"depth": 1}}, "more vision blocks on disk than the config says", "visual.blocks.1"),
        ("-", {"vision_config": {"depth": 10**15}}, "a vision block is missing", f"visual.blocks.2 of {10**15}"),
    ],
)
def test_what_is_missing_is_named(left_out: str, config: dict[str, Any], what: str, where: str) -> None:
    (problem,) = vision_problems([key for key in KEYS if not key[1].startswith(left_out)], config, "vlm")  # type: ignore[misc]
    assert problem.what == what
    assert where in problem.where


def test_a_model_without_any_vision_tensor() -> None:
    found = vision_problems([("backbone", "model.norm.weight")], BLOCKS, "vlm")
    assert [problem.what for problem in found] == [
        "the checkpoint has no vision tensors",
        "the checkpoint has no projector tensors",
    ]
