"""Strict loading: whole checkpoints load, and a tensor too few, too many, misshapen or doubled is named by part."""

from __future__ import annotations

import json
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from viscodex.core.errors import VisCodexError
from viscodex.model.load import PARTS, check_loadable, load_model, part_of, parts_of
from viscodex.model.tiny import write_trio
from viscodex.model.tiny_families import FAMILIES, QWEN_NAMES

Change = Callable[[dict[str, torch.Tensor]], None]


def changed(source: Path, folder: Path, change: Change) -> Path:
    """A copy whose tensors went through `change`, in one file."""
    shutil.copytree(source, folder)
    tensors: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(file)
        file.unlink()
    (folder / "model.safetensors.index.json").unlink()
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("layout", ["hub", "memory"])
@pytest.mark.parametrize("family", FAMILIES)
def test_whole_checkpoints_load(tiny, family, layout, tied):
    trio = tiny(family, layout=layout, tied=tied)
    check_loadable(trio.vlm, PARTS)
    model = load_model(trio.vlm, parts=PARTS)
    assert model.dtype == torch.bfloat16
    assert not model.training
    assert set(parts_of(model)) == set(PARTS)
    assert (model.get_output_embeddings().weight is model.get_input_embeddings().weight) is tied
    assert set(parts_of(load_model(trio.code))) == {"backbone"}


def test_values_are_those_on_disk(tiny):
    stored: dict[str, torch.Tensor] = {}
    for file in tiny(layout="memory").vlm.glob("*.safetensors"):
        stored |= load_file(file)
    loaded = dict(load_model(tiny(layout="memory").vlm).named_parameters())
    assert loaded.keys() == stored.keys()
    assert all(torch.equal(loaded[name], stored[name]) for name in stored)


@pytest.mark.parametrize("layout", ["hub", "memory"])
@pytest.mark.parametrize(
    ("ending", "part"),
    [
        ("layers.1.mlp.up_proj.weight", "backbone"),
        ("embed_tokens.weight", "backbone"),
        ("lm_head.weight", "backbone"),
        ("visual.blocks.0.attn.qkv.bias", "vision"),
        ("visual.merger.mlp.2.weight", "projector"),
    ],
)
@pytest.mark.parametrize("fault", ["missing", "of a wrong shape", "unexpected"])
def test_one_bad_tensor_is_named(tiny, tmp_path, layout, ending, part, fault):
    def spoil(tensors: dict[str, torch.Tensor]) -> None:
        name = next(name for name in tensors if name.endswith(ending))
        if fault == "missing":
            del tensors[name]
        elif fault == "of a wrong shape":
            tensors[name] = tensors[name][:-1].contiguous()
        else:
            tensors[name.replace(".weight", ".scale").replace(".bias", ".scale")] = tensors[name].clone()

    folder = changed(tiny(layout=layout).vlm, tmp_path / "bad", spoil)
    for attempt in (check_loadable, load_model):
        with pytest.raises(VisCodexError, match=f"{part}: 1 {fault}") as caught:
            attempt(folder)
        wanted = ending if fault != "unexpected" else ending.rpartition(".")[0] + ".scale"
        assert wanted in str(caught.value)
        assert "1 missing" not in str(caught.value) or fault == "missing"


def test_every_fault_is_in_one_error(tiny, tmp_path):
    def spoil(tensors: dict[str, torch.Tensor]) -> None:
        for name in [name for name in tensors if name.startswith("visual.blocks.1.")]:
            del tensors[name]
        tensors["visual.merger.extra"] = torch.zeros(2)
        tensors["lm_head.weight"] = torch.zeros(3, 64)

    with pytest.raises(VisCodexError) as caught:
        check_loadable(changed(tiny().vlm, tmp_path / "bad", spoil))
    message = str(caught.value)
    assert "vision: 12 missing" in message
    assert "projector: 1 unexpected" in message
    assert "backbone: 1 of a wrong shape (lm_head.weight [3, 64] for [512, 64])" in message


def test_two_layouts_in_one_folder_are_refused(tiny, tmp_path):
    def double(tensors: dict[str, torch.Tensor]) -> None:
        tensors["model.language_model.norm.weight"] = tensors["model.norm.weight"].clone()

    with pytest.raises(VisCodexError, match="backbone: 1 there twice") as caught:
        load_model(changed(tiny().vlm, tmp_path / "bad", double))
    assert "model.language_model.norm.weight and model.norm.weight" in str(caught.value)


def test_another_head_in_a_tied_checkpoint_is_refused(tiny, tmp_path):
    def untie(tensors: dict[str, torch.Tensor]) -> None:
        tensors["lm_head.weight"] = torch.randn(512, 64).bfloat16()

    with pytest.raises(VisCodexError, match="tie_word_embeddings"):
        load_model(changed(tiny(tied=True).vlm, tmp_path / "bad", untie))


def test_the_same_head_in_a_tied_checkpoint_is_fine(tiny, tmp_path):
    def repeat(tensors: dict[str, torch.Tensor]) -> None:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()

    load_model(changed(tiny(tied=True).vlm, tmp_path / "good", repeat))


def test_weights_of_another_size_are_refused(tiny, tmp_path):
    write_trio(tmp_path / "deep", layers=3)
    shutil.copy(tiny().vlm / "config.json", tmp_path / "deep" / "vlm" / "config.json")
    with pytest.raises(VisCodexError, match="backbone: 12 unexpected"):
        check_loadable(tmp_path / "deep" / "vlm")


def test_a_text_model_where_a_vlm_is_wanted(tiny):
    with pytest.raises(VisCodexError, match="no vision and no projector"):
        check_loadable(tiny().code, PARTS)


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
        (lambda folder: (folder / "config.json").write_text("{"), "not valid JSON"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "qwen9"}'), "does not know this model"),
        (
            lambda folder: (folder / "config.json").write_text(
                (folder / "config.json").read_text().replace('"num_hidden_layers": 2', '"num_hidden_layers": 3')
            ),
            "does not accept config.json",
        ),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "vit"}'), "neither a vision-language"),
        (lambda folder: (folder / "model-00002-of-00002.safetensors").unlink(), "model-00002-of-00002"),
        (lambda folder: (folder / "model-00001-of-00002.safetensors").write_bytes(b"\1" * 100), "not a whole"),
        (lambda folder: (folder / "model.safetensors.index.json").write_text("[]"), "no weight_map"),
        (
            lambda folder: (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../b"}}'),
            "outside its folder",
        ),
        (lambda folder: (folder / "model.safetensors.index.json").unlink(), "weights are missing: model.safetensors"),
    ],
)
def test_broken_folders_are_explained(tiny, tmp_path, break_it, words):
    folder = Path(shutil.copytree(tiny().vlm, tmp_path / "broken"))
    break_it(folder)
    for attempt in (check_loadable, load_model):
        with pytest.raises(VisCodexError, match=words):
            attempt(folder)


def test_a_cut_off_shard_is_refused(tiny, tmp_path):
    folder = Path(shutil.copytree(tiny().vlm, tmp_path / "cut"))
    shard = folder / "model-00001-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(VisCodexError, match="not a whole safetensors file"):
        check_loadable(folder)


@pytest.mark.parametrize("method", ["gptq", "awq"])
def test_a_quantiser_that_is_not_here_is_no_traceback(tiny, tmp_path, method):
    folder = Path(shutil.copytree(tiny().vlm, tmp_path / "quantised"))
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": method, "bits": 4, "group_size": 32}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(VisCodexError, match="transformers"):
        load_model(folder)


def test_an_8b_shape_is_checked_from_headers(tmp_path):
    """Seconds and no memory: the weights are a sparse file, 15 GB by its header and nothing on disk."""
    text = {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "vocab_size": 152064}
    text |= {"num_attention_heads": 28, "num_key_value_heads": 4, "model_type": "qwen2_5_vl_text"}
    vision = {"hidden_size": 1280, "out_hidden_size": 3584, "model_type": "qwen2_5_vl_vision"}
    config = transformers.AutoConfig.for_model("qwen2_5_vl", text_config=text, vision_config=vision)
    with torch.device("meta"):
        model = transformers.AutoModelForImageTextToText.from_config(config)
    sparse_checkpoint(tmp_path, config.to_diff_dict(), {n: tuple(t.shape) for n, t in model.state_dict().items()})
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    check_loadable(tmp_path, PARTS)
    assert time.monotonic() - started < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024  # KiB


def sparse_checkpoint(folder: Path, config: dict[str, object], shapes: dict[str, tuple[int, ...]]) -> None:
    (folder / "config.json").write_text(json.dumps(config))
    header, position = {}, 0
    for name, shape in shapes.items():
        for here, there in QWEN_NAMES:
            name = name.replace(here, there) if name.startswith(here) else name
        end = position + 2 * torch.Size(shape).numel()
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [position, end]}
        position = end
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + position)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("model.language_model.layers.0.mlp.up_proj.weight", "backbone"),
        ("model.layers.0.mlp.up_proj.weight", "backbone"),
        ("model.text_model.norm.weight", "backbone"),
        ("lm_head.weight", "backbone"),
        ("model.visual.patch_embed.proj.weight", "vision"),
        ("model.visual.merger.ln_q.weight", "projector"),
        ("model.visual.deepstack_merger_list.0.norm.weight", "projector"),
        ("model.vision_tower.encoder.layer.0.lambda_1", "vision"),
        ("model.multi_modal_projector.linear_1.bias", "projector"),
        ("model.image_newline", "projector"),
        ("model.connector.modality_projection.proj.weight", "projector"),
    ],
)
def test_parts_by_name(name, part):
    assert part_of(name) == part
