"""Names on disk: every style of a family gives the same parts and keys, and real models are read whole."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from viscodex.checkpoint.layout import FAMILIES, PARTS, family_of, is_buffer
from viscodex.checkpoint.reader import open_checkpoint
from viscodex.core.errors import VisCodexError
from viscodex.core.problems import Problem
from viscodex.model import tiny_families

TINY = sorted(tiny_families.FAMILIES)
BACKBONE = ("embed_tokens.weight", "norm.weight", "layers.0.mlp.up_proj.weight", "layers.11.self_attn.q_proj.bias")
LAYERS = tuple(f"model.{name}" for name in BACKBONE)

# family → on-disk styles of (backbone prefix, head, vision prefix, projector name), as found in the wild
QWEN = (
    ("model.", "lm_head.weight", "visual.blocks.0.", "visual.merger.mlp.0.weight"),
    ("model.language_model.", "lm_head.weight", "model.visual.blocks.0.", "model.visual.merger.mlp.0.weight"),
    ("language_model.model.", "language_model.lm_head.weight", "visual.blocks.0.", "visual.merger.mlp.0.weight"),
)
LLAVA = (
    ("language_model.model.", "language_model.lm_head.weight", "vision_tower.", "multi_modal_projector.linear_1.bias"),
    ("model.language_model.", "lm_head.weight", "model.vision_tower.", "model.multi_modal_projector.linear_1.bias"),
    (
        "model.language_model.model.",
        "model.language_model.lm_head.weight",
        "model.vision_tower.",
        "model.multi_modal_projector.linear_1.bias",
    ),
)
IDEFICS = (
    ("model.text_model.", "lm_head.weight", "model.vision_model.", "model.connector.modality_projection.proj.weight"),
)
PLAIN = (("model.", "lm_head.weight", None, None),)
STYLES = {
    **dict.fromkeys(("qwen2_vl", "qwen2_5_vl", "qwen3_vl"), QWEN),
    **dict.fromkeys(("llava_onevision", "internvl", "gemma3", "mistral3"), LLAVA),
    **dict.fromkeys(("idefics3", "smolvlm"), IDEFICS),
    **dict.fromkeys(("qwen2", "qwen3", "llama", "mistral", "gemma", "gemma2", "gemma3_text"), PLAIN),
}


def located(family, style):
    backbone, head, vision, projector = style
    names = [backbone + name for name in BACKBONE] + [head]
    names += [vision + "attn.qkv.weight", projector] if vision else []
    return {FAMILIES[family].locate(name) for name in names}


def test_every_family_has_its_styles_here():
    assert set(STYLES) == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_styles_name_the_same_tensors(family):
    first, *others = (located(family, style) for style in STYLES[family])
    assert None not in first
    assert all(other == first for other in others)
    assert {("backbone", name) for name in (*LAYERS, "lm_head.weight")} <= first
    assert {part for part, _ in first} == (set(PARTS) if FAMILIES[family].is_multimodal else {"backbone"})


@pytest.mark.parametrize(("family", "tied"), [*((f, False) for f in TINY), ("qwen2_5_vl", True), ("gemma3", True)])
def test_real_models_have_the_same_tensors_in_both_layouts(tiny, family, tied):
    hub, memory = (tiny(family, layout=layout, tied=tied) for layout in ("hub", "memory"))
    for role in ("vlm", "code", "base"):
        ours, theirs = open_checkpoint(getattr(hub, role)), open_checkpoint(getattr(memory, role))
        assert not ours.problems + theirs.problems
        assert {k: (i.shape, i.dtype) for k, i in ours.tensors.items()} == {
            k: (i.shape, i.dtype) for k, i in theirs.tensors.items()
        }
        assert ours.geometry == theirs.geometry
        assert {part for part, _ in ours.tensors} == (set(PARTS) if role == "vlm" else {"backbone"})
        assert {key for part, key in ours.tensors if part == "backbone"} == ours.geometry.required_keys()


@pytest.mark.parametrize("family", TINY)
def test_a_file_that_mixes_the_styles_is_read_name_by_name(tiny, tmp_path, family):
    """Every other tensor of the hub's file is renamed to its name in memory."""
    hub, memory = tiny(family, layout="hub", shards=1).vlm, tiny(family, layout="memory", shards=1).vlm
    by_key = {key: info.name for key, info in open_checkpoint(memory).tensors.items()}
    folder = shutil.copytree(hub, tmp_path / "mixed")
    names = {info.name: by_key[key] for key, info in list(open_checkpoint(hub).tensors.items())[::2]}
    tensors = load_file(hub / "model.safetensors")
    save_file({names.get(name, name): tensor for name, tensor in tensors.items()}, folder / "model.safetensors")
    mixed = open_checkpoint(folder)
    assert not mixed.problems
    assert mixed.tensors.keys() == open_checkpoint(hub).tensors.keys()


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("qwen2_5_vl", "vision_tower.blocks.0.weight"),
        ("qwen2_5_vl", "mtp.layers.0.weight"),
        ("qwen2", "visual.blocks.0.weight"),
        ("llava_onevision", "visual.blocks.0.weight"),
        ("qwen2", "transformer.h.0.weight"),
        ("qwen2", ""),
        ("qwen2", "model."),
        ("qwen2", "lm_head"),
        ("qwen2", "model.layers"),
    ],
)
def test_a_name_of_no_part_is_nothing(family, name):
    assert FAMILIES[family].locate(name) is None


@given(st.sampled_from(sorted(FAMILIES)), st.text(max_size=40))
def test_any_name_has_one_place_or_none(family, name):
    place = FAMILIES[family].locate(name)
    assert place is None or (place[0] in PARTS and place[1])


def test_buffers_are_recognised():
    assert is_buffer("model.layers.0.self_attn.rotary_emb.inv_freq")
    assert is_buffer("model.vision_model.embeddings.position_ids")
    assert not is_buffer("model.layers.0.self_attn.q_proj.weight")


@pytest.mark.parametrize("model_type", ["qwen2_5_v", None, 7, ["qwen2"], {}, "x" * 10_000, "\x1b[2Jqwen"])
def test_an_unknown_model_type_is_a_problem_with_a_suggestion(model_type):
    problems: list[Problem] = []
    assert family_of({"model_type": model_type}, "vlm", problems) is None
    assert "unknown model type" in problems[0].what
    assert "docs/merge.md" in problems[0].hint
    assert len(problems[0].where) < 600
    if model_type == "qwen2_5_v":
        assert '"qwen2_5_vl"' in problems[0].where


def test_config_without_a_model_type(tiny, tmp_path):
    folder = shutil.copytree(tiny().code, tmp_path / "code")
    (folder / "config.json").write_text(json.dumps({"hidden_size": 64}))
    with pytest.raises(VisCodexError, match="unknown model type"):
        open_checkpoint(folder)
