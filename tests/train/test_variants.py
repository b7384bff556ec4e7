"""What else can be trained: adapters, projector, vision, other precisions; and that the tiny recipe learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from tests.train.rows import mixed, row, write_parquet
from viscodex.checkpoint.layout import part_of
from viscodex.cli import app
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.rundir import JsonLines
from viscodex.model.load import load_model
from viscodex.model.tiny import write_trio
from viscodex.train.adapters import learned_parameters
from viscodex.train.forward import Objective
from viscodex.train.job import run_training, trainable_model
from viscodex.train.optimize import lr_at
from viscodex.train.parallel import World, place
from viscodex.train.parts import PartRow, check_parts
from viscodex.train.recipe import TrainRecipe

ALONE = World(0, 1, 0, torch.device("cpu"))


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISCODEX_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def recipe(model: Path, data: Path, **more: Any) -> TrainRecipe:
    values = {"model": str(model), "data": [str(data)], "max_steps": 3, "eval_every": 0, "checkpoint_every": 2}
    return TrainRecipe.load("tiny", values | more)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {name: value for path in folder.glob("*.safetensors") for name, value in load_file(path).items()}


def changed_parts(before: Path, after: Path) -> set[str]:
    old, new = weights(before), weights(after)
    assert old.keys() == new.keys()
    return {part_of(name) for name in old if not torch.equal(old[name], new[name])}


@pytest.mark.parametrize("parts", [["projector"], ["projector", "backbone"], ["vision"], ["backbone"]])
def test_what_is_named_is_trained_and_nothing_else(trio, data, tmp_path, parts):
    run_training(recipe(trio.vlm, data, train_parts=parts), tmp_path / "out", ALONE)
    assert changed_parts(trio.vlm, tmp_path / "out" / "final") == set(parts)


def test_a_projector_learns_nothing_from_text_alone_and_does_not_stumble_over_it(trio, tmp_path):
    """One sample a step, every fourth without a picture: no gradient there, and none needed."""
    write_parquet(tmp_path / "data.parquet", mixed(12))
    made = recipe(trio.vlm, tmp_path, train_parts=["projector"], batch_size=1, max_steps=12, eval_share=0.0)
    run_training(made, tmp_path / "out", ALONE)
    rows = [row for row in JsonLines(tmp_path / "out" / "metrics.jsonl") if row["kind"] == "step"]
    assert len(rows) == 12
    norms = sorted(row["gradient_norm"] for row in rows)
    assert norms[:3] == [0.0] * 3 and norms[3] > 0
    assert changed_parts(trio.vlm, tmp_path / "out" / "final") == {"projector"}


def resaved(folder: Path, out: Path, change: Any) -> Path:
    """The checkpoint with other tensors, in one file."""
    out.mkdir()
    for path in folder.iterdir():
        if "safetensors" not in path.name:
            (out / path.name).write_bytes(path.read_bytes())
    save_file(change(weights(folder)), out / "model.safetensors", {"format": "pt"})
    return out


@pytest.mark.parametrize("precision", ["float32", "mixed", "bfloat16"])
def test_what_is_frozen_keeps_its_bytes_in_a_float32_checkpoint_too(trio, data, tmp_path, precision):
    """In memory it may be rounded to bfloat16; what is written is what was there."""

    def wider(tensors):
        noise = torch.Generator().manual_seed(0)
        return {name: t.float() * (1 + 1e-4 * torch.rand(t.shape, generator=noise)) for name, t in tensors.items()}

    start = resaved(trio.vlm, tmp_path / "wide", wider)
    run_training(recipe(start, data, precision=precision, checkpoint_every=0), tmp_path / "out", ALONE)
    assert {value.dtype for value in weights(tmp_path / "out" / "final").values()} == {torch.float32}
    assert changed_parts(start, tmp_path / "out" / "final") == {"backbone"}


def test_a_tied_head_that_is_on_disk_stays_the_embedding(data, tmp_path):
    tied = write_trio(tmp_path / "tied", tied=True).vlm

    def with_head(tensors):
        (name,) = (name for name in tensors if name.endswith("embed_tokens.weight"))
        return tensors | {"lm_head.weight": tensors[name].clone()}

    start = resaved(tied, tmp_path / "twice", with_head)
    run_training(recipe(start, data), tmp_path / "out", ALONE)
    after = weights(tmp_path / "out" / "final")
    (name,) = (name for name in after if name.endswith("embed_tokens.weight"))
    assert torch.equal(after["lm_head.weight"], after[name])
    assert not torch.equal(after[name], weights(start)[name])
    load_model(tmp_path / "out" / "final")


def test_other_precisions_learn_about_the_same(trio, data, tmp_path):
    losses = {}
    for name in ("float32", "mixed", "bfloat16"):
        made = recipe(trio.vlm, data, precision=name, checkpoint_every=0)
        run_training(made, tmp_path / name, ALONE)
        losses[name] = [row["loss"] for row in JsonLines(tmp_path / name / "metrics.jsonl") if row["kind"] == "step"]
    for name in ("mixed", "bfloat16"):
        assert losses[name] == pytest.approx(losses["float32"], rel=0.02)
        assert losses[name] != losses["float32"]


def test_mixed_keeps_float32_where_steps_add_up(trio):
    model, _ = trainable_model(TrainRecipe(model=str(trio.vlm)), trio.vlm, "mixed")
    place(Objective(model, loss_chunk=64, checkpointing=False), ALONE, "mixed")
    formats = {(part_of(name), p.dtype) for name, p in model.named_parameters()}
    assert formats == {("backbone", torch.float32), ("vision", torch.bfloat16), ("projector", torch.bfloat16)}


def test_adapters_are_merged_into_final(trio, data, tmp_path):
    pytest.importorskip("peft")
    made = recipe(trio.vlm, data, lora_rank=4, lr=1e-2)
    result = run_training(made, tmp_path / "out", ALONE)
    assert 0 < result["parts"]["backbone"]["trained"] < result["parts"]["backbone"]["parameters"]
    old, new = weights(trio.vlm), weights(tmp_path / "out" / "final")
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed
    assert all("_proj.weight" in name and "visual" not in name for name in changed)
    load_model(tmp_path / "out" / "final")


def test_merged_adapters_compute_what_they_did(trio):
    pytest.importorskip("peft")
    model, _ = trainable_model(TrainRecipe(model=str(trio.vlm), lora_rank=4), trio.vlm, "float32")
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    plain = load_model(trio.vlm, torch.float32)
    ids = torch.arange(20)[None]
    before = plain(input_ids=ids).logits
    learned = {name: value() for name, value in learned_parameters(model)}
    assert all("_proj.weight" in name for name in learned)
    assert not plain.load_state_dict(learned, strict=False).unexpected_keys
    adapted = model(input_ids=ids).logits
    assert not torch.allclose(before, adapted, atol=1e-3)
    torch.testing.assert_close(plain(input_ids=ids).logits, adapted, atol=1e-5, rtol=1e-4)


def test_adapters_resume_to_the_bit(trio, data, tmp_path):
    """Dropout draws the same after a resume: every step has a seed of its own."""
    pytest.importorskip("peft")
    made = recipe(trio.vlm, data, lora_rank=4, lora_dropout=0.2, max_steps=4)
    run_training(made, tmp_path / "whole", ALONE)
    run_training(made, tmp_path / "parts", ALONE)
    from viscodex.core.rundir import remove_tree

    remove_tree(tmp_path / "parts" / "final")
    remove_tree(tmp_path / "parts" / "step-000004")
    run_training(made, tmp_path / "parts", ALONE)
    whole, parts = weights(tmp_path / "whole" / "final"), weights(tmp_path / "parts" / "final")
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())


def test_a_tied_head_stays_tied(data, tmp_path):
    tied = write_trio(tmp_path / "tied", tied=True).vlm
    run_training(recipe(tied, data), tmp_path / "out", ALONE)
    assert changed_parts(tied, tmp_path / "out" / "final") == {"backbone"}
    assert not any("lm_head" in name for name in weights(tmp_path / "out" / "final"))


def test_qwen2_vl_is_trained_too(data, tmp_path):
    model = write_trio(tmp_path / "qwen2", family="qwen2_vl").vlm
    run_training(recipe(model, data), tmp_path / "out", ALONE)
    assert changed_parts(model, tmp_path / "out" / "final") == {"backbone"}


def test_other_families_are_refused_by_name(data, tmp_path):
    model = write_trio(tmp_path / "other", family="internvl").vlm
    with pytest.raises(VisCodexError, match="internvl"):
        run_training(recipe(model, data), tmp_path / "out", ALONE)


def test_eight_bit_adamw_asks_for_its_library(trio, data, tmp_path):
    with pytest.raises(UsageError, match="torchao or bitsandbytes"):
        run_training(recipe(trio.vlm, data, optimizer="adamw_8bit"), tmp_path / "out", ALONE)


def test_a_wrong_table_is_refused():
    rows = [PartRow("backbone", 10, 10, 40), PartRow("vision", 5, 1, 20), PartRow("projector", 2, 0, 8)]
    with pytest.raises(VisCodexError, match="vision: 1 of 5"):
        check_parts(rows, ["backbone"], adapters=False)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_learning_rate_rises_and_falls(schedule):
    made = TrainRecipe(lr=1.0, warmup=0.1, schedule=schedule, final_lr=0.1)
    rates = [lr_at(step, 100, made) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (n + 1) for n in range(10)])
    assert max(rates) == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(1.0 if schedule == "constant" else 0.1, abs=0.02)


@pytest.mark.slow
def test_the_tiny_recipe_learns_and_its_result_is_used(trio, tmp_path):
    """The held-out loss falls by half; the result loads, and answers in the command line."""
    write_parquet(tmp_path / "data" / "train.parquet", mixed(60))
    made = TrainRecipe.load("tiny", {"model": str(trio.vlm), "data": [str(tmp_path / "data")], "epochs": 6})
    result = run_training(made, tmp_path / "out", ALONE)
    first, last = result["held_out"]["first"], result["held_out"]["last"]
    assert set(first) == {"html", "chart", "qa", "algorithm", "all"}
    assert all(last[kind] < first[kind] / 2 for kind in first)
    picture = tmp_path / "picture.png"
    picture.write_bytes(row(0, "html")["images"][0]["bytes"])
    words = ["generate", str(picture), "--model", str(tmp_path / "out" / "final"), "--raw"]
    words += ["--max-new-tokens", "40", "--prompt", "Write the code that draws this picture."]
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 0
    assert answer.stdout.startswith("```")
