"""The tiny checkpoints are real: transformers loads them whole, in every family, layout and tying."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers
from safetensors import safe_open

from viscodex.core.errors import UsageError
from viscodex.model.tiny import write_trio
from viscodex.model.tiny_families import FAMILIES

CLASSES = {"vlm": transformers.AutoModelForImageTextToText}


def load(folder: Path) -> transformers.PreTrainedModel:
    """Load with transformers alone, and insist that nothing is missing or left over."""
    auto = CLASSES.get(folder.name, transformers.AutoModelForCausalLM)
    model, info = auto.from_pretrained(folder, dtype=torch.bfloat16, output_loading_info=True)
    assert not {kind: names for kind, names in info.items() if names}
    return model


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    found = {}
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as reader:
            found |= {name: reader.get_tensor(name) for name in reader.keys()}  # noqa: SIM118
    return found


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("layout", ["hub", "memory"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_loads_whole(tiny, family, layout, tied):
    for folder in tiny(family, layout=layout, tied=tied):
        model = load(folder)
        assert model.config.tie_word_embeddings is tied
        assert ("lm_head.weight" in " ".join(tensors(folder))) is not tied


@pytest.mark.parametrize("family", FAMILIES)
def test_layouts_hold_the_same_model(tiny, family):
    tokens = torch.arange(64).reshape(2, 32)
    hub, memory = (load(tiny(family, layout=layout).vlm) for layout in ("hub", "memory"))
    with torch.inference_mode():
        assert torch.equal(hub(input_ids=tokens).logits, memory(input_ids=tokens).logits)


def test_hub_layout_has_the_names_and_settings_of_the_hub(tiny):
    trio = tiny()
    names = set(tensors(trio.vlm))
    assert {"model.layers.0.self_attn.q_proj.bias", "visual.merger.mlp.0.weight", "lm_head.weight"} <= names
    assert all(name.startswith(("model.", "visual.", "lm_head.")) for name in names)
    config = json.loads((trio.vlm / "config.json").read_text())
    assert config["rope_theta"] == 1_000_000.0
    assert config["rope_scaling"] == {"mrope_section": [2, 3, 3], "type": "mrope"}
    assert "text_config" not in config
    assert config["torch_dtype"] == "bfloat16"


def test_memory_layout_has_the_names_in_memory(tiny):
    names = set(tensors(tiny(layout="memory").vlm))
    assert all(name.startswith(("model.language_model.", "model.visual.", "lm_head.")) for name in names)


def test_tuned_backbones_are_the_base_plus_a_little(tiny):
    vlm, code, base = (tensors(folder) for folder in tiny())
    for name, weight in base.items():
        for tuned in (vlm, code):
            moved = (tuned[name].float() - weight.float()).norm() / weight.float().norm()
            assert 0.001 < moved < 0.3, name
        assert not torch.equal(vlm[name], code[name])


def test_heads_are_grouped(tiny):
    config = transformers.AutoConfig.from_pretrained(tiny().code)
    assert config.num_attention_heads == 2 * config.num_key_value_heads


@pytest.mark.parametrize("shards", [1, 3])
def test_shards_and_index(tmp_path, shards):
    trio = write_trio(tmp_path / "trio", shards=shards)
    files = sorted(file.name for file in trio.vlm.glob("*.safetensors"))
    assert len(files) == shards
    index = trio.vlm / "model.safetensors.index.json"
    assert index.exists() is (shards > 1)
    if shards > 1:
        content = json.loads(index.read_text())
        assert set(content["weight_map"]) == set(tensors(trio.vlm))
        assert content["metadata"]["total_size"] == sum(t.numel() * 2 for t in tensors(trio.vlm).values())
    load(trio.vlm)


def test_same_arguments_same_bytes(tiny, tmp_path):
    again, other = write_trio(tmp_path / "again"), write_trio(tmp_path / "other", seed=1)
    for role, folder in enumerate(tiny()):
        for file in folder.iterdir():
            assert file.read_bytes() == (again[role] / file.name).read_bytes(), file.name
        assert not torch.equal(tensors(folder)["lm_head.weight"], tensors(other[role])["lm_head.weight"])


def test_rows_beyond_the_code_llms_vocabulary(tmp_path):
    """A code LLM with fewer embedding rows shares the base's values in the rows it has."""
    trio = write_trio(tmp_path / "trio", vocab_size=640, code_vocab_size=512)
    base, same = tensors(trio.base), tensors(write_trio(tmp_path / "same", vocab_size=640).base)
    assert base["lm_head.weight"].shape == (512, 64)
    assert torch.equal(base["lm_head.weight"], same["lm_head.weight"][:512])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"family": "qwen2_5_v"}, "qwen2_5_vl"),
        ({"layout": "disk"}, "memory"),
        ({"hidden": 48}, "multiple of 32"),
        ({"vocab_size": 300}, "at least 392"),
        ({"shards": 10_000}, "do not fill"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, options, words):
    with pytest.raises(UsageError) as caught:
        write_trio(tmp_path / "trio", **options)
    assert words in str(caught.value)
    assert not (tmp_path / "trio").exists()


def test_a_folder_in_use_is_refused(tiny):
    with pytest.raises(UsageError, match="not empty"):
        write_trio(tiny().vlm)
