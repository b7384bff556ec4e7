"""A task vector taken out and put back is the model it came from; a merge with it is the merge with that model."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.merge.conftest import Merge, floats, recipe_of, words
from viscodex.checkpoint.sidefiles import copy_side_files
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.merge.extract import apply_vector, extract
from viscodex.merge.lora import apply_lora, extract_lora, low_rank
from viscodex.merge.plan import plan_merge
from viscodex.model.load import load_model
from viscodex.model.tiny import Trio

Tiny = Callable[..., Trio]


@pytest.fixture
def vector(tiny: Tiny, tmp_path: Path) -> Path:
    """The code model's task vector, exact."""
    extract(str(tiny().code), str(tiny().base), tmp_path / "vector", dtype="float32", threads=2)
    return tmp_path / "vector"


def test_put_back_it_is_the_model(tiny: Tiny, vector: Path, tmp_path: Path) -> None:
    trio = tiny()
    apply_vector(str(vector), str(trio.base), tmp_path / "again")
    again, code = words(tmp_path / "again"), words(trio.code)
    assert all(np.array_equal(again[key], code[key]) for key in code)
    apply_vector(str(vector), str(trio.base), tmp_path / "none", scale=0.0)
    assert all(np.array_equal(words(tmp_path / "none")[key], value) for key, value in words(trio.base).items())


@pytest.mark.parametrize("method", ["task_arithmetic", "ties", "dare_linear", "model_stock", "metagpt", "slerp"])
def test_a_merge_with_it_is_the_merge_with_the_model(tiny: Tiny, merge: Merge, vector: Path, method: str) -> None:
    trio = tiny()
    settings: dict[str, Any] = {"method": method} | ({} if method in ("model_stock", "metagpt") else {"lam": 0.7})
    plain, by_vector = words(merge(trio, **settings)), words(merge(trio, **settings, code=[str(vector)]))
    for key, wanted in plain.items():
        np.testing.assert_array_equal(by_vector[key], wanted, err_msg=key)


def test_in_bfloat16_it_is_within_a_step(tiny: Tiny, merge: Merge, tmp_path: Path) -> None:
    trio = tiny()
    record = extract(str(trio.code), str(trio.base), tmp_path / "small")
    assert 0.05 < record["relative_norm"] < 0.2
    assert sum(record["energy"].values()) == pytest.approx(1.0)
    plain, by_vector = words(merge(trio, lam=0.5)), words(merge(trio, lam=0.5, code=[str(tmp_path / "small")]))
    for key, wanted in plain.items():
        a, b = floats(by_vector[key]), floats(wanted)
        assert np.abs(a - b).max() <= 2**-7 * np.abs(b).max()
        assert (a != b).mean() < 0.2


def test_a_vlms_vector_is_its_backbones(tiny: Tiny, tmp_path: Path) -> None:
    """Taken from a VLM, it can be added to a language model; vision rows hold nothing."""
    trio = tiny()
    record = extract(str(trio.vlm), str(trio.base), tmp_path / "vlm", dtype="float32")
    assert set(record["rows_left_out"]) == {"model.embed_tokens.weight", "lm_head.weight"}
    apply_vector(str(tmp_path / "vlm"), str(trio.base), tmp_path / "llm")
    key = "model.layers.0.mlp.up_proj.weight"
    assert np.array_equal(words(tmp_path / "llm")[key], words(trio.vlm)[key])
    load_model(tmp_path / "llm")


def test_a_vector_needs_its_base_and_is_no_model(tiny: Tiny, vector: Path) -> None:
    trio = tiny()
    with pytest.raises(UsageError, match="needs the base"):
        plan_merge(recipe_of(trio, lam=0.7, code=[str(vector)], base=""), None)
    for role in ("vlm", "base"):
        plan = plan_merge(recipe_of(trio, **{"lam": 0.7, "code": [str(vector)], role: str(vector)}), None)
        assert any(problem.what == "a task vector where a model is wanted" for problem in plan.problems)


def test_models_that_do_not_fit_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(VisCodexError, match=r"hidden size differs.*tuned model 64, base 96"):
        extract(str(tiny().code), str(tiny(hidden=96).base), tmp_path / "out")
    with pytest.raises(UsageError, match="neither a task vector nor a LoRA adapter"):
        apply_vector(str(tiny().code), str(tiny().base), tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ---- low rank


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_low_rank_is_the_truncated_svd(rows: int, columns: int, rank: int, seed: int) -> None:
    task = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)
    made = low_rank(task, rank, 0.0)
    u, s, v = np.linalg.svd(task.astype(np.float64), full_matrices=False)
    r = min(rank, len(s))
    np.testing.assert_allclose(made.b @ made.a, (u[:, :r] * s[:r]) @ v[:r], atol=1e-4)
    assert made.kept / made.energy == pytest.approx((s[:r] ** 2).sum() / (s**2).sum(), abs=1e-6)
    left = float(((task - made.b @ made.a).astype(np.float64) ** 2).sum())
    assert left == pytest.approx(made.energy - made.kept, abs=1e-3)


@given(st.floats(0.05, 1.0), st.integers(0, 2**32 - 1))
def test_the_smallest_rank_that_keeps_enough(energy: float, seed: int) -> None:
    task = np.random.default_rng(seed).standard_normal((6, 9)).astype(np.float32)
    made = low_rank(task, 0, energy)
    assert made.kept >= (energy - 1e-9) * made.energy
    if len(made.a) > 1:
        assert low_rank(task, len(made.a) - 1, 0.0).kept < energy * made.energy


def test_peft_loads_the_adapter(tiny: Tiny, tmp_path: Path) -> None:
    """At full rank the adapted base is the tuned model in every linear layer."""
    peft = pytest.importorskip("peft")
    trio = tiny()
    record = extract_lora(str(trio.code), str(trio.base), tmp_path / "lora", rank=64)
    assert record["energy_kept"] == pytest.approx(1.0, abs=1e-6)
    assert record["energy_kept_of_all"] < 1.0
    base = load_model(trio.base, torch.float32)
    merged = peft.PeftModel.from_pretrained(base, tmp_path / "lora").merge_and_unload().state_dict()
    code = load_model(trio.code, torch.float32).state_dict()
    for name in (name for name, tensor in code.items() if ".layers." in name and tensor.ndim == 2):
        torch.testing.assert_close(merged[name], code[name], atol=1e-5, rtol=1e-4)


def test_the_adapter_peft_applies_is_the_one_we_apply(tiny: Tiny, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    trio = tiny()
    record = extract_lora(str(trio.code), str(trio.base), tmp_path / "lora", energy=0.6)
    ranks = {row["rank"] for row in record["each"].values()}
    assert len(ranks) > 1
    assert all(row["energy_kept"] >= 0.6 for row in record["each"].values())
    apply_lora(tmp_path / "lora", str(trio.base), tmp_path / "ours")
    ours = load_model(tmp_path / "ours", torch.float32).state_dict()
    base = load_model(trio.base, torch.float32)
    theirs = peft.PeftModel.from_pretrained(base, tmp_path / "lora").merge_and_unload().state_dict()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor.bfloat16().float(), atol=1e-2, rtol=1e-2)


def test_adapters_that_are_not_plain_or_not_for_this_base(tiny: Tiny, tmp_path: Path) -> None:
    trio = tiny()
    extract_lora(str(trio.code), str(trio.base), tmp_path / "lora", rank=2)
    with pytest.raises(VisCodexError, match="for another model"):
        apply_lora(tmp_path / "lora", str(tiny(hidden=96).base), tmp_path / "out")
    odd = shutil.copytree(tmp_path / "lora", tmp_path / "odd")
    config = json.loads((odd / "adapter_config.json").read_text())
    (odd / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))
    with pytest.raises(VisCodexError, match="plain LoRA"):
        apply_lora(odd, str(trio.base), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="a rank or a share"):
        extract_lora(str(trio.code), str(trio.base), tmp_path / "none")
    with pytest.raises(VisCodexError, match="no linear layer"):
        extract_lora(str(trio.code), str(trio.code), tmp_path / "same", rank=2)


def test_an_embedding_is_not_held_as_a_whole(tiny: Tiny, tmp_path: Path) -> None:
    trio = tiny(vocab_size=150_000)  # 38 MB in float32
    extract_lora(str(tiny().code), str(tiny().base), tmp_path / "first", rank=1)  # imports
    tracemalloc.start()
    record = extract_lora(str(trio.code), str(trio.base), tmp_path / "lora", rank=1, threads=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert record["energy"]["embeddings"] > 0.4
    assert peak < 30e6


def test_an_adapter_of_another_layout_and_patterns_by_ending(tiny: Tiny, tmp_path: Path) -> None:
    """As PEFT writes them for a VLM: in the names of its modules, patterns for every module that ends so."""
    trio = tiny()
    extract_lora(str(trio.code), str(trio.base), tmp_path / "lora", rank=4)
    apply_lora(tmp_path / "lora", str(trio.vlm), tmp_path / "plain")
    odd = shutil.copytree(tmp_path / "lora", tmp_path / "odd")
    factors = load_file(odd / "adapter_model.safetensors")
    doubled = {name: tensor * (2 if "up_proj.lora_A" in name else 1) for name, tensor in factors.items()}
    renamed = {name.replace("model.layers", "model.language_model.layers"): t for name, t in doubled.items()}
    save_file(renamed, odd / "adapter_model.safetensors")
    config = json.loads((odd / "adapter_config.json").read_text())
    patterns = {"alpha_pattern": {"up_proj": 2}, "rank_pattern": {}}
    (odd / "adapter_config.json").write_text(json.dumps(config | patterns))
    apply_lora(odd, str(trio.vlm), tmp_path / "by-pattern")
    assert words(tmp_path / "plain").keys() == words(tmp_path / "by-pattern").keys()
    for key, value in words(tmp_path / "plain").items():
        np.testing.assert_array_equal(words(tmp_path / "by-pattern")[key], value, err_msg=key)
    assert "apply.json" not in copy_side_files(tmp_path / "plain", tmp_path)


@pytest.mark.parametrize("extra", ["base_model.model.lm_head.weight", "base_model.model.model.norm.lora_magnitude"])
def test_nothing_of_an_adapter_is_left_out(tiny: Tiny, tmp_path: Path, extra: str) -> None:
    """What an adapter holds beside its pairs (modules_to_save, embeddings) cannot be added, so it is refused."""
    trio = tiny()
    extract_lora(str(trio.code), str(trio.base), tmp_path / "lora", rank=2)
    file = tmp_path / "lora" / "adapter_model.safetensors"
    save_file(load_file(file) | {extra: torch.ones(4)}, file)
    with pytest.raises(VisCodexError, match="more than pairs") as refused:
        apply_lora(tmp_path / "lora", str(trio.base), tmp_path / "out")
    assert extra in refused.value.where
    assert not list(tmp_path.glob("out*"))


def test_an_adapter_that_is_cut_off_or_of_pickles(tiny: Tiny, tmp_path: Path) -> None:
    trio = tiny()
    extract_lora(str(trio.code), str(trio.base), tmp_path / "lora", rank=2)
    file = tmp_path / "lora" / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(VisCodexError, match="truncated shard"):
        apply_lora(tmp_path / "lora", str(trio.base), tmp_path / "out")
    file.rename(file.with_suffix(".bin"))
    with pytest.raises(VisCodexError, match="cannot read a shard"):
        apply_lora(tmp_path / "lora", str(trio.base), tmp_path / "out")


@pytest.mark.parametrize("work", ["extract", "lora", "apply"])
def test_an_unfinished_merge_is_not_cleared_away(tiny: Tiny, tmp_path: Path, work: str) -> None:
    trio, out = tiny(), tmp_path / "out"
    extract_lora(str(trio.code), str(trio.base), tmp_path / "lora", rank=2)
    runs: dict[str, Callable[[], Any]] = {
        "extract": lambda: extract(str(trio.code), str(trio.base), out),
        "lora": lambda: extract_lora(str(trio.code), str(trio.base), out, rank=2),
        "apply": lambda: apply_lora(tmp_path / "lora", str(trio.base), out),
    }
    journal = tmp_path / "out.partial" / ".progress.jsonl"
    journal.parent.mkdir()
    journal.write_text('{"fingerprint": "of hours"}\n')
    with pytest.raises(UsageError, match="in the way"):
        runs[work]()
    assert journal.exists()
    journal.rename(journal.with_name(".unfinished"))  # what a killed run of these leaves is begun anew
    (journal.parent / "model.safetensors").write_bytes(b"half")
    runs[work]()
    assert not (tmp_path / "out.partial").exists()
    assert not list(out.glob(".*"))


def test_damaged_inputs_leave_nothing_behind(tiny: Tiny, tmp_path: Path) -> None:
    trio = tiny(shards=1)
    code = shutil.copytree(trio.code, tmp_path / "code")
    tensors = load_file(code / "model.safetensors")
    tensors["model.norm.weight"][3] = float("nan")
    save_file(tensors, code / "model.safetensors")
    with pytest.raises(VisCodexError, match="NaN or Inf in the tuned model"):
        extract(str(code), str(trio.base), tmp_path / "new" / "out")
    assert not (tmp_path / "new").exists()


def test_the_command_line(tiny: Tiny, tmp_path: Path, cli: Callable[[list[str]], Any]) -> None:
    trio = tiny()
    models = [str(trio.code), str(trio.base)]
    ended = cli(["merge", "extract", *models, "--out", str(tmp_path / "lora"), "--rank", "4"])
    assert ended.code == 0
    assert "is kept" in ended.out
    assert cli(["merge", "apply", str(tmp_path / "lora"), str(trio.base), "--out", str(tmp_path / "a")]).code == 0
    assert cli(["merge", "extract", *models, "--out", str(tmp_path / "vector")]).code == 0
    assert cli(["merge", "apply", str(tmp_path / "vector"), str(trio.base), "--out", str(tmp_path / "b")]).code == 0
    tensors = load_file(next((tmp_path / "vector").glob("*.safetensors")))
    assert all(tensor.dtype == torch.bfloat16 for tensor in tensors.values())
