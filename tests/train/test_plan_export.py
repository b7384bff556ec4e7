"""The plan tells what the run then does; other trainers get the same samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.train.rows import bad, mixed, write_parquet
from viscodex.cli import app
from viscodex.core.errors import UsageError
from viscodex.core.rundir import JsonLines
from viscodex.train.export import as_yaml
from viscodex.train.job import gather_material, run_training
from viscodex.train.parallel import World
from viscodex.train.plan import memory, plan_run
from viscodex.train.recipe import TrainRecipe

ALONE = World(0, 1, 0, torch.device("cpu"))


@pytest.fixture
def rows(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VISCODEX_CACHE", str(tmp_path / "cache"))
    good = [*mixed(24), *({**record, "id": reason} for reason, record in bad().items() if "/cut" not in reason)]
    return write_parquet(tmp_path / "data" / "rows.parquet", good).parent


def recipe(model: Path, data: Path, **more: Any) -> TrainRecipe:
    return TrainRecipe.load("tiny", {"model": str(model), "data": [str(data)], "epochs": 1.0} | more)


def words(model: Path, data: Path, *more: str) -> list[str]:
    return ["train", "tiny", "--set", f"model={model}", "--set", f"data={data}", "--set", "epochs=1.0", *more]


def run(arguments: list[str]) -> Any:
    from typer.testing import CliRunner

    done = CliRunner().invoke(app, arguments)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_the_run_is_as_planned(trio, rows, tmp_path):
    made = recipe(trio.vlm, rows)
    plan = plan_run(made, gather_material(made, ALONE), 1, torch.device("cpu"))
    run_training(made, tmp_path / "out", ALONE)
    steps = [line for line in JsonLines(tmp_path / "out" / "metrics.jsonl") if line["kind"] == "step"]
    assert len(steps) == plan["steps"]
    for what in ("tokens", "answers"):
        assert sum(step[what] for step in steps) == sum(row[what] for row in plan["categories"].values())
    assert sum(step["samples"] for step in steps) == plan["samples"]
    skipped = list(JsonLines(tmp_path / "out" / "skipped.jsonl"))
    assert len(skipped) == sum(plan["skipped"].values()) == len(bad()) - 1
    assert plan["samples"] + plan["held_out"] + len(skipped) == 24 + len(bad()) - 1


def test_the_command_line_shows_the_plan_and_runs(trio, rows, tmp_path):
    shown = run(words(trio.vlm, rows, "--dry-run", "--ranks", "8")).stdout
    assert "memory per rank" in shown
    assert "ranks: 8" in shown
    plan = json.loads(run(words(trio.vlm, rows, "--dry-run", "--json")).stdout)
    assert not (tmp_path / "out").exists()
    done = run(words(trio.vlm, rows, "--out", str(tmp_path / "out"), "--json"))
    assert json.loads(done.stdout)["steps"] == plan["steps"]
    assert (tmp_path / "out" / "final" / "config.json").exists()


def test_more_ranks_need_less_memory_each(trio, rows):
    made = recipe(trio.vlm, rows, precision="mixed")
    material = gather_material(made, ALONE)
    one, eight = (memory(made, material, ranks, "mixed") for ranks in (1, 8))
    assert eight["optimizer"] * 8 == pytest.approx(one["optimizer"], rel=1e-3)
    assert eight["total"] < one["total"]
    assert memory(made, material, 1, "bfloat16")["total"] < one["total"]


@pytest.mark.parametrize("target", ["llamafactory", "swift"])
def test_other_trainers_get_the_same_samples(trio, rows, tmp_path, target):
    out = tmp_path / "exported"
    run(words(trio.vlm, rows, "--export", target, "--ranks", "4", "--out", str(out)))
    if target == "swift":
        samples = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
        script = (out / "train.sh").read_text()
        assert "--tuner_type full" in script
        assert "--freeze_vit true" in script
        assert "NPROC_PER_NODE=4" in script
    else:
        samples = json.loads((out / "train.json").read_text())
        settings = yaml.safe_load((out / "train.yaml").read_text())
        assert settings["learning_rate"] == 2e-3
        assert settings["freeze_vision_tower"] is True
        assert settings["freeze_language_model"] is False
        assert settings["gradient_accumulation_steps"] == 2
        info = json.loads((out / "dataset_info.json").read_text())
        assert info[settings["dataset"]]["file_name"] == "train.json"
    good = {record["id"]: record for record in mixed(24)}
    for sample in samples:
        record = good.pop(sample["id"])
        assert sample["messages"] == record["messages"]
        assert [(out / name).read_bytes() for name in sample["images"]] == [i["bytes"] for i in record["images"]]
        assert sum(turn["content"].count("<image>") for turn in sample["messages"]) == len(sample["images"])


def test_yaml_numbers_stay_numbers():
    values = {"a": 1e-5, "b": 2.0, "c": True, "d": "x: y", "e": 5e-06, "f": 0.03, "g": 0.0}
    assert yaml.safe_load(as_yaml(values)) == values


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "tiny"], "no output folder"),
        (["train", "tiny", "--out", "x", "--set", "lerning_rate=1"], "unknown key"),
        (["train", "tiny", "--out", "x", "--set", "max_length=9999"], "does not fit batch_tokens"),
        (["train", "tiny", "--out", "x", "--set", "mixture.poem=1.0"], "no category poem"),
        (["train", "tiny", "--out", "x", "--set", "train_parts=[]"], "nothing would be trained"),
        (["train", "tiny", "--out", "x"], "no model"),
        (["train", "lora-8b", "--out", "x", "--set", "train_parts=['projector']"], "LoRA adapters stand"),
    ],
)
def test_what_cannot_be_meant_is_told(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        run(arguments)


def test_an_unknown_trainer_is_told(trio, rows):
    with pytest.raises(UsageError, match="no trainer"):
        run(words(trio.vlm, rows, "--export", "axolotl", "--out", "x"))
