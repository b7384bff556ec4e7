"""Folders: which files are the weights, what an index may say, and what a complete checkpoint holds."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from viscodex.checkpoint.reader import INDEX, SINGLE, open_checkpoint, read_into
from viscodex.core.errors import VisCodexError
from viscodex.core.problems import summarize


@pytest.fixture
def folder(tiny, tmp_path) -> Path:
    """A code LLM in two shards, to be broken."""
    return Path(shutil.copytree(tiny().code, tmp_path / "code"))


def text_of(folder: Path) -> str:
    return "\n".join(summarize(open_checkpoint(folder, "code").problems))


def edit_json(path: Path, change: Callable[[Any], Any]) -> None:
    value = json.loads(path.read_text())
    path.write_text(json.dumps(change(value) or value))


def edit_map(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    edit_json(folder / INDEX, lambda index: change(index["weight_map"]) and None)


@pytest.mark.parametrize("shards", [1, 2])
def test_a_good_folder_has_no_problems(tiny, shards):
    trio = tiny(shards=shards)
    for role in ("vlm", "code", "base"):
        checkpoint = open_checkpoint(getattr(trio, role))
        assert not checkpoint.problems
        held: dict[str, Any] = {}
        for shard in checkpoint.shards:
            held |= load_file(checkpoint.path / shard)
        assert {info.name: info.shape for info in checkpoint.tensors.values()} == {
            name: tuple(tensor.shape) for name, tensor in held.items()
        }
        assert checkpoint.nbytes == sum(tensor.numel() * 2 for tensor in held.values())
        assert len(checkpoint.shards) == shards


def test_the_bytes_are_where_the_reader_says(tiny):
    checkpoint = open_checkpoint(tiny().vlm)
    for info in checkpoint.tensors.values():
        path = checkpoint.path / info.shard
        buffer = bytearray(info.nbytes)
        with path.open("rb") as file:
            read_into(file.fileno(), memoryview(buffer), info.start, info.name)
        expected = load_file(path)[info.name].flatten()
        assert bytes(buffer) == expected.view(torch.uint8).numpy().tobytes()


def test_reading_past_the_end_is_an_error_with_the_name(tmp_path):
    (tmp_path / "short").write_bytes(b"12345")
    with (tmp_path / "short").open("rb") as file, pytest.raises(VisCodexError, match="shorter") as caught:
        read_into(file.fileno(), memoryview(bytearray(4)), 3, "model.norm.weight")
    assert "model.norm.weight" in str(caught.value)


INDEX_FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no weight_map": (lambda f: edit_json(f / INDEX, lambda i: {"metadata": {}}), "has no weight_map"),
    "a list": (lambda f: (f / INDEX).write_text("[]"), "has no weight_map"),
    "weight_map is a list": (lambda f: edit_json(f / INDEX, lambda i: {"weight_map": []}), "has no weight_map"),
    "a number as shard": (lambda f: edit_map(f, lambda m: m.update({"x": 1})), "has no weight_map"),
    "empty": (lambda f: edit_json(f / INDEX, lambda i: {"weight_map": {}}), "layer 0 of 2 is not there"),
    "parent": (lambda f: edit_map(f, lambda m: m.update({"x": "../vlm/a.safetensors"})), "outside the folder"),
    "absolute": (lambda f: edit_map(f, lambda m: m.update({"x": "/etc/passwd"})), "outside the folder"),
    "dots": (lambda f: edit_map(f, lambda m: m.update({"x": ".."})), "outside the folder"),
    "backslash": (lambda f: edit_map(f, lambda m: m.update({"x": "..\\x"})), "outside the folder"),
    "zero byte": (lambda f: edit_map(f, lambda m: m.update({"x": "a\0b"})), "not there"),
    "too long a name": (lambda f: edit_map(f, lambda m: m.update({"x": "a" * 5000})), "not there"),
    "half a surrogate": (lambda f: edit_map(f, lambda m: m.update({"x": "\ud800"})), "not there"),
    "missing shard": (lambda f: (f / "model-00002-of-00002.safetensors").unlink(), "not there"),
    "the config as shard": (lambda f: edit_map(f, lambda m: m.update({"x": "config.json"})), "not a safetensors file"),
    "unlisted tensor": (lambda f: edit_map(f, lambda m: m.pop("lm_head.weight")), "the index does not list"),
    "lost tensor": (lambda f: edit_map(f, lambda m: m.update({"x": m["lm_head.weight"]})), "does not hold"),
    "wrong shard": (
        lambda f: edit_map(f, lambda m: m.update({"lm_head.weight": m["model.norm.weight"]})),
        "lm_head.weight",
    ),
    "no index": (lambda f: (f / INDEX).unlink(), "several shards but no"),
    "no weights": (lambda f: [p.unlink() for p in [*f.glob("*.safetensors"), f / INDEX]], "no safetensors weights"),
}


@pytest.mark.parametrize("name", INDEX_FAULTS)
def test_index_faults(folder, name):
    damage, words = INDEX_FAULTS[name]
    damage(folder)
    text = text_of(folder)
    assert words in text
    assert "code" in text
    assert len(text) < 1000


def test_an_index_that_is_no_json(folder):
    (folder / INDEX).write_text("{")
    with pytest.raises(VisCodexError, match=r"model\.safetensors\.index\.json is not valid JSON"):
        open_checkpoint(folder)


def test_an_index_of_100000_entries_takes_no_time(folder):
    edit_map(
        folder,
        lambda m: m.update({f"model.layers.0.x{n}.weight": "model-00001-of-00002.safetensors" for n in range(100_000)}),
    )
    begun = time.process_time()
    text = text_of(folder)
    assert "(100000 cases)" in text
    assert len(text) < 500
    assert time.process_time() - begun < 3.0


def test_the_same_tensor_in_two_shards(folder):
    first, second = sorted(folder.glob("*.safetensors"))
    tensors = load_file(first)
    save_file(load_file(second) | {"lm_head.weight": tensors["lm_head.weight"]}, second)
    assert "duplicate tensor in several shards: code: lm_head.weight" in text_of(folder)


def single(folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Rewrite a folder as one file, changed on the way."""
    tensors: dict[str, Any] = {}
    for shard in folder.glob("*.safetensors"):
        tensors |= load_file(shard)
        shard.unlink()
    (folder / INDEX).unlink(missing_ok=True)
    change(tensors)
    save_file(tensors, folder / SINGLE)
    return folder


UP = "model.layers.1.mlp.up_proj.weight"

TENSOR_FAULTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "missing": (lambda t: t.pop(UP), f"missing backbone tensor: code: {UP}"),
    "missing layer": (
        lambda t: [t.pop(n) for n in list(t) if ".layers.1." in n],
        "code: layer 1 of 2 is not there",
    ),
    "one layer more": (lambda t: t.update({UP.replace("1", "2"): t[UP].clone()}), "more layers on disk"),
    "two names": (lambda t: t.update({"language_model." + UP: t[UP].clone()}), "duplicate tensor under two names"),
    "no part": (lambda t: t.update({"mtp.fc.weight": t[UP].clone()}), "belongs to no part of this model type"),
    "no layer number": (lambda t: t.update({"model.layers.x.weight": t[UP].clone()}), "belongs to no part"),
    "enormous layer number": (
        lambda t: t.update({f"model.layers.{'9' * 5000}.weight": t[UP].clone()}),
        "belongs to no part",
    ),
    "int8": (lambda t: t.update({UP: t[UP].char()}), f"quantised or no float: code: {UP} is I8"),
    "other width": (
        lambda t: t.update({"model.embed_tokens.weight": t["model.embed_tokens.weight"][:, :32].contiguous()}),
        "hidden size 64, but model.embed_tokens.weight is [512, 32]",
    ),
    "other heads": (
        lambda t: t.update({(q := "model.layers.0.self_attn.k_proj.weight"): t[q][:16].contiguous()}),
        "kv heads × head_dim 32, but model.layers.0.self_attn.k_proj.weight is [16, 64]",
    ),
}


@pytest.mark.parametrize("name", TENSOR_FAULTS)
def test_tensor_faults(folder, name):
    change, words = TENSOR_FAULTS[name]
    assert words in text_of(single(folder, change))


def test_buffers_of_old_savers_are_no_fault(folder):
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    checkpoint = open_checkpoint(single(folder, lambda t: t.update({name: torch.ones(8)})))
    assert not checkpoint.problems
    assert checkpoint.buffers == (name,)


def test_a_tied_head_may_be_on_disk_or_not(tiny, tmp_path):
    plain = open_checkpoint(tiny(tied=True).code)
    folder = Path(shutil.copytree(tiny(tied=True).code, tmp_path / "code"))
    with_head = single(folder, lambda t: t.update({"lm_head.weight": t["model.embed_tokens.weight"].clone()}))
    repeated = open_checkpoint(with_head)
    head = ("backbone", "lm_head.weight")
    assert not plain.problems + repeated.problems
    assert plain.find(head) is plain.tensors["backbone", "model.embed_tokens.weight"]
    assert repeated.find(head).tied_to == "model.embed_tokens.weight"


def test_a_config_of_a_thousand_million_layers_takes_no_time(folder):
    edit_json(folder / "config.json", lambda c: c | {"num_hidden_layers": 10**9, "vocab_size": 10**18})
    begun = time.process_time()
    assert "layer 2 of 1000000000 is not there" in text_of(folder)
    assert time.process_time() - begun < 1.0


CONFIG_FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda p: p.unlink(), "no config.json"),
    "empty": (lambda p: p.write_text(""), "config.json is not valid JSON"),
    "a list": (lambda p: p.write_text("[1]"), "config.json is not an object"),
    "latin-1": (lambda p: p.write_bytes('{"architectures": ["é"]}'.encode("latin-1")), "not UTF-8"),
    "deep": (lambda p: p.write_text("[" * 100_000), "not JSON that can be read"),
    "a number of 5,000 digits": (lambda p: p.write_text('{"a": ' + "9" * 5000 + "}"), "not JSON that can be read"),
    "a pipe": (lambda p: (p.unlink(), os.mkfifo(p)), "not a regular file"),
    "a folder": (lambda p: (p.unlink(), p.mkdir()), "not a regular file"),
    "a loop": (lambda p: (p.unlink(), p.symlink_to(p.name)), "cannot read config.json"),
    "fp8": (lambda p: edit_json(p, lambda c: c | {"quantization_config": {"quant_method": "fp8"}}), "quantised (fp8)"),
    "nested awq": (
        lambda p: edit_json(p, lambda c: c | {"text_config": {"quantization_config": {"quant_method": "awq"}}}),
        "quantised (awq)",
    ),
    "old compressed-tensors": (
        lambda p: edit_json(p, lambda c: c | {"compression_config": {"quant_method": "compressed-tensors"}}),
        "quantised (compressed-tensors)",
    ),
    "a list as quantisation": (lambda p: edit_json(p, lambda c: c | {"quantization_config": [1]}), "quantised"),
    "quantiser's own file": (lambda p: (p.parent / "quantize_config.json").write_text("{}"), "quantised"),
}


@pytest.mark.parametrize("name", CONFIG_FAULTS)
def test_config_faults(folder, name):
    damage, words = CONFIG_FAULTS[name]
    damage(folder / "config.json")
    with pytest.raises(VisCodexError) as caught:
        open_checkpoint(folder, "code")
    assert words in str(caught.value)
    assert str(folder) in str(caught.value)


def test_weights_that_are_a_pipe_do_not_hang(folder):
    single(folder, lambda t: None)
    (folder / SINGLE).unlink()
    os.mkfifo(folder / SINGLE)
    assert "model.safetensors: not a regular file" in text_of(folder)
