"""Models that do not belong together, are of another kind, or are not there: each refusal says which and why."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

UP = "model.layers.1.mlp.up_proj.weight"
EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"


def halved(name: str, axis: int) -> Any:
    """Give a tensor half its size along an axis."""
    return lambda t: t.update({name: t[name].narrow(axis, 0, t[name].shape[axis] // 2).contiguous()})


def both(bench: Any, **changes: Any) -> None:
    for role in ("vlm", "code"):
        bench.config(role, **changes)


def other_width(bench: Any) -> None:
    """The code model at half the width, consistent in itself."""
    from viscodex.model.tiny import write_trio

    bench.code = write_trio(bench.folder / "narrow", hidden=32).code


def other_depth(bench: Any) -> None:
    from viscodex.model.tiny import write_trio

    bench.code = write_trio(bench.folder / "deep", layers=3).code


def tied(bench: Any) -> None:
    from viscodex.model.tiny import write_trio

    bench.code = write_trio(bench.folder / "tied", tied=True).code


def other_family(bench: Any) -> None:
    from viscodex.model.tiny import write_trio

    bench.code = write_trio(bench.folder / "llama", "smolvlm").code


def vocabulary(bench: Any, change: Any) -> None:
    def edit(content: Any) -> None:
        tokens = content["model"]["vocab"]
        content["model"]["vocab"] = change(tokens)

    bench.json("code/tokenizer.json", edit)


def fewer_rows(bench: Any, tokenizer: bool) -> None:
    bench.tensors("code", lambda t: [halved(name, 0)(t) for name in (EMBEDDING, HEAD)])
    bench.config("code", vocab_size=256)
    if not tokenizer:
        (bench.code / "tokenizer.json").unlink()


# name → (damage, words of the error)
MISMATCHES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "narrower code model": (other_width, ("hidden size differs", "vlm 64, code 32")),
    "deeper code model": (other_depth, ("layers differs", "vlm 2, code 3")),
    "tied code model": (tied, ("tied embeddings differs", "vlm False, code True", "same base")),
    "another architecture": (other_family, ("architecture differs", "vlm qwen2, code llama")),
    "tied in one config": (lambda b: b.config("code", tie_word_embeddings=True), ("tied embeddings differs",)),
    "fewer layers in the config": (
        lambda b: b.config("vlm", num_hidden_layers=1),
        ("more layers on disk than the config says", "vlm: layer 1 of 1"),
    ),
    "more layers in the config": (
        lambda b: b.config("code", num_hidden_layers=3),
        ("fewer layers on disk than the config says", "code: layer 2 of 3 is not there"),
    ),
    "heads in the config": (
        lambda b: b.config("code", num_attention_heads=2, head_dim=16),
        ("disagree", "code", "q_proj"),
    ),
    "heads": (
        lambda b: b.config("code", num_attention_heads=8, head_dim=8, num_key_value_heads=4),
        ("heads differs", "vlm 4, code 8", "head dim differs", "kv heads differs"),
    ),
    "kv heads": (lambda b: b.config("code", num_key_value_heads=4), ("kv heads × head_dim 64", "k_proj", "code")),
    "head_dim": (lambda b: b.config("code", head_dim=32), ("config.json and the tensors disagree", "code")),
    "activation": (lambda b: b.config("code", hidden_act="gelu"), ("activation differs", "vlm silu, code gelu")),
    "rope_theta": (
        lambda b: b.config("code", rope_theta=10_000.0),
        ("rope theta differs", "vlm 1000000.0, code 10000.0"),
    ),
    "hidden size in both configs": (lambda b: both(b, hidden_size=128), ("hidden size 128", EMBEDDING, "6 cases")),
    "missing in the code model": (
        lambda b: b.tensors("code", lambda t: t.pop(UP)),
        ("missing backbone", f"code: {UP}"),
    ),
    "missing in the vlm": (lambda b: b.tensors("vlm", lambda t: t.pop(UP)), ("missing backbone tensor", f"vlm: {UP}")),
    "missing embedding": (lambda b: b.tensors("code", lambda t: t.pop(EMBEDDING)), (f"code: {EMBEDDING}",)),
    "missing head": (lambda b: b.tensors("code", lambda t: t.pop(HEAD)), ("missing backbone tensor", f"code: {HEAD}")),
    "extra in the code model": (
        lambda b: b.tensors("code", lambda t: t.update({"model.layers.0.mlp.gate.weight": torch.ones(2)})),
        ("extra backbone tensor", "code: model.layers.0.mlp.gate.weight, not in the vlm"),
    ),
    "extra in the vlm": (
        lambda b: b.tensors("vlm", lambda t: t.update({"model.layers.0.mlp.gate.weight": torch.ones(2)})),
        ("missing backbone tensor", "code: model.layers.0.mlp.gate.weight"),
    ),
    "of no part": (
        lambda b: b.tensors("vlm", lambda t: t.update({"audio.encoder.weight": torch.ones(2)})),
        ("belongs to no part of this model type", "vlm: audio.encoder.weight"),
    ),
    "two names": (
        lambda b: b.tensors("vlm", lambda t: t.update({UP.replace("model.", "model.language_model."): t[UP].clone()})),
        ("duplicate tensor under two names", "vlm", UP),
    ),
    "shape": (
        lambda b: b.tensors("code", halved(UP, 0)),
        ("shape differs", UP, "vlm [128, 64], code [64, 64]"),
    ),
    "int8 tensor": (lambda b: b.tensors("code", lambda t: t.update({UP: t[UP].char()})), (f"code: {UP} is I8",)),
    "fp8 tensor": (
        lambda b: b.tensors("vlm", lambda t: t.update({UP: t[UP].to(torch.float8_e4m3fn)})),
        ("quantised or no float", f"vlm: {UP} is F8_E4M3", "merge the bf16 release"),
    ),
    "fp8 with its scales": (
        lambda b: b.tensors(
            "code", lambda t: t.update({UP: t[UP].to(torch.float8_e5m2), UP + "_scale_inv": torch.ones(1, 1)})
        ),
        ("quantised or no float", f"code: {UP} is F8_E5M2"),
    ),
    "fewer rows and no tokenizer": (
        lambda b: fewer_rows(b, tokenizer=False),
        ("no tokenizer to match rows by", "vlm 512, code 256", "code"),
    ),
    "another vocabulary": (
        lambda b: vocabulary(b, lambda v: {f"x{token}": number for token, number in v.items()}),
        ("other vocabulary", "code shares", "same tokenizer"),
    ),
    "vocabulary is a number": (lambda b: vocabulary(b, lambda v: 7), ("tokenizer.json", "/code")),
    "ids that are words": (lambda b: vocabulary(b, lambda v: dict.fromkeys(v, "one")), ("tokenizer.json", "/code")),
    "negative ids": (lambda b: vocabulary(b, lambda v: {t: -n for t, n in v.items()}), ("tokenizer.json", "/code")),
    "half ids": (lambda b: vocabulary(b, lambda v: {t: n + 0.5 for t, n in v.items()}), ("tokenizer.json", "/code")),
    "unigram of numbers": (lambda b: vocabulary(b, lambda v: [1, 2]), ("tokenizer.json", "/code")),
    "tokenizer is a list": (
        lambda b: (b.code / "tokenizer.json").write_text("[1]"),
        ("tokenizer.json", "/code"),
    ),
    "tokenizer is no JSON": (
        lambda b: (b.vlm / "tokenizer.json").write_text('{"model": '),
        ("tokenizer.json is not valid JSON", "/vlm"),
    ),
    "added tokens are words": (
        lambda b: b.json("vlm/tokenizer.json", lambda c: c.update(added_tokens=["<a>"])),
        ("tokenizer.json", "/vlm"),
    ),
    "model is a list": (lambda b: b.json("vlm/tokenizer.json", lambda c: c.update(model=[1])), ("tokenizer.json",)),
    "a base that does not fit": (
        lambda b: (b.config("base", rope_theta=5.0), b.settings.update(base=str(b.base), method="ties")),
        ("rope theta differs", "base 5.0"),
    ),
    "NaN in the base": (
        lambda b: (
            b.tensors("base", lambda t: t[UP].view(-1).__setitem__(3, float("nan"))),
            b.settings.update(base=str(b.base), method="ties"),
        ),
        ("NaN or Inf in the base", UP),
    ),
    "the vlm as its own code, damaged": (
        lambda b: (b.tensors("vlm", lambda t: t.pop(UP)), setattr(b, "code", b.vlm)),
        ("missing backbone tensor", "2 cases"),
    ),
    "a value too large for float16": (
        lambda b: (
            b.tensors("vlm", lambda t: t[UP].view(-1).__setitem__(3, 1e6)),
            b.settings.update(dtype="float16"),
        ),
        ("does not fit float16", UP, "--set dtype=bfloat16"),
    ),
    "a float64 too large": (
        lambda b: b.tensors("code", lambda t: t.update({UP: t[UP].double() * 1e200})),
        ("does not fit bfloat16", UP),
    ),
}


def quantised(method: str) -> Any:
    return lambda b: b.config("code", quantization_config={"quant_method": method, "bits": 4})


def only(name: str) -> Any:
    """A code folder that holds its config and this one file."""

    def damage(bench: Any) -> None:
        for path in bench.code.iterdir():
            if path.name != "config.json":
                path.unlink()
        (bench.code / name).write_bytes(b"x" * 100)

    return damage


def gguf(bench: Any) -> None:
    bench.code = bench.folder / "model.gguf"
    bench.code.write_bytes(b"GGUF")


def lora(bench: Any) -> None:
    for path in bench.code.iterdir():
        path.unlink()
    (bench.code / "adapter_config.json").write_text("{}")
    save_file({"a": torch.ones(1)}, bench.code / "adapter_model.safetensors")


def instead(name: str) -> Any:
    return lambda b: setattr(b, "code", name if "/" in name[1:] and name[0] not in "/." else Path(name))


def many_shards(bench: Any) -> None:
    shutil.copy(bench.shard("code"), bench.code / "other.safetensors")
    (bench.code / "model.safetensors.index.json").unlink()


def loop(bench: Any) -> None:
    bench.code = bench.folder / "loop"
    bench.code.symlink_to("loop")


KINDS: dict[str, tuple[Any, tuple[str, ...]]] = {
    **{
        f"quantised by {method}": (quantised(method), (f"quantised ({method})", "/code", "bf16 release"))
        for method in ("fp8", "gptq", "awq", "bitsandbytes", "compressed-tensors", "\x1b[31m".strip("\x1b"))
    },
    "quantised, and no method": (lambda b: b.config("code", quantization_config=[1]), ("quantised (unknown)",)),
    "quantised by a file": (lambda b: (b.vlm / "hf_quant_config.json").write_text("{}"), ("quantised", "/vlm")),
    "GGUF alone": (only("model-q4_k_m.gguf"), ("GGUF", "/code", "safetensors release")),
    "a GGUF file": (gguf, ("this is a file", "model.gguf", "safetensors release")),
    "pickles alone": (only("pytorch_model.bin"), ("pickles (pytorch_model.bin)", "/code", "save_pretrained")),
    "a pickle with a line break": (only("a\nb.bin"), ("pickles (a\\nb.bin)",)),
    "torch file": (only("weights.pth"), ("pickles (weights.pth)", "run code")),
    "nothing but the config": (only("notes.txt"), ("no safetensors weights in the folder", "code: ")),
    "shards without an index": (many_shards, ("several shards but no model.safetensors.index.json", "/code")),
    "LoRA adapter": (lora, ("LoRA adapter", "/code", "merge it into its base model first")),
    "a VLM with half an eye": (
        lambda b: b.tensors("vlm", lambda t: t.pop("visual.blocks.1.norm1.weight")),
        ("missing vision tensor", "vlm: visual.blocks.1.norm1.weight"),
    ),
    "a VLM with more rows than its config says": (
        lambda b: b.config("vlm", vocab_size=500),
        ("config.json and the tensors disagree", "vocab_size 500, but model.embed_tokens.weight [512, 64]"),
    ),
    "a VLM without a projector": (
        lambda b: b.tensors("vlm", lambda t: [t.pop(name) for name in list(t) if ".merger." in name]),
        ("the checkpoint has no projector tensors", "vlm"),
    ),
    "missing folder": (instead("/no/such/folder"), ("no such checkpoint folder", "/no/such/folder")),
    "a relative word": (instead("./nowhere"), ("no such checkpoint folder", "nowhere")),
    "escape in the path": (instead("/no/\x1b[2Jfolder"), ("no such checkpoint folder", "\\x1b[2J")),
    "line break in the path": (instead("/no/a\nerror: b"), ("no such checkpoint folder", "a\\nerror: b")),
    "a path too long": (instead("/" + "x" * 3000), ("no such checkpoint folder", "xxx")),
    "a link to itself": (loop, ("no such checkpoint folder", "loop")),
    "a shard instead of its folder": (
        lambda b: setattr(b, "code", b.shard("code")),
        ("a checkpoint is a folder, this is a file", "name its folder"),
    ),
    "a hub id, offline": (
        instead("some-org/not-in-the-cache"),
        ("the hub cannot be reached", "some-org/not-in-the-cache", "hf download"),
    ),
    "no hub id": (instead("some--org/x"), ("no such checkpoint folder", "some--org/x")),
    "an empty folder": (
        lambda b: (setattr(b, "code", b.folder / "empty"), b.code.mkdir()),
        ("no config.json", "/empty"),
    ),
}
ALL = {f"mismatch: {k}": v for k, v in MISMATCHES.items()} | {f"kind: {k}": v for k, v in KINDS.items()}


@pytest.mark.parametrize("name", ALL)
def test_models_that_cannot_be_merged_are_refused(bench, refused, name):
    damage, words = ALL[name]
    damage(bench)
    text = refused()
    assert [word for word in words if word not in text] == [], text


def test_rows_are_not_lost_where_two_sizes_match_by_token(bench, cli):
    """The counterpart: with tokenizers on both sides another number of rows is no fault, and it is said."""
    fewer_rows(bench, tokenizer=True)
    ended = cli(bench.arguments())
    assert ended.code == 0
    assert "rows are the vlm's alone" in ended.out


def test_an_embedding_without_rows_is_all_the_vlms(bench, cli):
    names = ("model.embed_tokens.weight", "lm_head.weight")
    bench.tensors("code", lambda t: t.update({name: t[name][:0].clone() for name in names}))
    bench.config("code", vocab_size=1)
    ended = cli(bench.arguments())
    assert ended.code == 0, ended.err
    assert "512 of 512 rows are the vlm's alone" in ended.out


def test_all_faults_of_all_models_are_listed_at_once(bench, refused):
    bench.tensors("vlm", lambda t: t.pop(UP))
    os.truncate(bench.shard("code"), 1000)
    (bench.code / "model-00002-of-00002.safetensors").unlink()
    text = refused()
    assert "3 problems" in text
    for words in (f"vlm: {UP}", "code: model-00001-of-00002.safetensors", "code: model-00002-of-00002.safetensors"):
        assert words in text


def test_a_dry_run_shows_the_problems_and_fails(bench, cli):
    bench.config("code", rope_theta=1.0)
    ended = cli([*bench.arguments(), "--dry-run", "--json"])
    assert ended.code == 1
    (problem,) = json.loads(ended.out)["problems"]
    assert problem["what"] == "rope theta differs"
    assert "rope theta differs" in ended.err
