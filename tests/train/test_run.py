"""A run from recipe to final/: learns, freezes, stops and goes on to the bit, on one rank and on two."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import torch
from safetensors.torch import load_file

from tests.train.rows import bad, mixed, write_parquet
from viscodex.checkpoint.layout import part_of
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.rundir import JsonLines, remove_tree
from viscodex.model.load import load_model
from viscodex.train.job import run_training
from viscodex.train.launch import launch
from viscodex.train.parallel import World
from viscodex.train.provenance import shown_settings
from viscodex.train.recipe import TrainRecipe
from viscodex.train.resume import checkpoints

ALONE = World(0, 1, 0, torch.device("cpu"))
SETTINGS: dict[str, Any] = {
    "max_length": 512,
    "batch_tokens": 512,
    "batch_size": 4,
    "max_pixels": 50176,
    "lr": 1e-3,
    "max_steps": 24,
    "epochs": 3,
    "checkpoint_every": 7,
    "eval_every": 0,
    "eval_share": 0.1,
    "workers": 2,
}


def recipe(model: Path, data: Path, **more: Any) -> TrainRecipe:
    return TrainRecipe.load("tiny", SETTINGS | {"model": str(model), "data": [str(data)]} | more)


def command(model: Path, data: Path, out: Path, **more: Any) -> list[str]:
    values = SETTINGS | {"model": str(model), "data": str(data)} | more
    assignments = [f"{key}={value}" for key, value in values.items()]
    return [
        "train",
        "tiny",
        *(word for value in assignments for word in ("--set", value)),
        "--out",
        str(out),
        "--quiet",
    ]


def start(words: list[str], cache: Path, ranks: int = 1) -> subprocess.Popen[str]:
    environment = os.environ | {"VISCODEX_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"] if ranks > 1 else []
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "viscodex", *words], env=environment, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str], expected: int = 0) -> str:
    error = process.communicate(timeout=300)[1]
    assert process.returncode == expected, error[-3000:]
    return error


def digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        whole.update(path.read_bytes())
    return whole.hexdigest()


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {name: value for path in folder.glob("*.safetensors") for name, value in load_file(path).items()}


def same_bytes(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.equal(one.view(torch.uint8), other.view(torch.uint8))


def step_losses(out: Path) -> list[float]:
    return [row["loss"] for row in JsonLines(out / "metrics.jsonl") if row["kind"] == "step"]


def wait_for_step(out: Path, step: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while len(step_losses(out)) < step:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISCODEX_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def plain(trio, data, tmp_path_factory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("plain") / "out"
    run_training(recipe(trio.vlm, data), out, ALONE)
    return out


def test_only_the_backbone_changes(trio, plain):
    before, after = weights(trio.vlm), weights(plain / "final")
    assert before.keys() == after.keys()
    changed = {
        n for n, tensor in before.items() if not torch.equal(tensor.view(torch.uint8), after[n].view(torch.uint8))
    }
    assert {part_of(name) for name in changed} == {"backbone"}
    frozen = {name for name in before if part_of(name) != "backbone"}
    assert frozen
    assert not changed & frozen


def test_final_is_the_starting_folder_with_other_weights(trio, plain):
    for path in trio.vlm.iterdir():
        if path.suffix == ".json" and "index" not in path.name:
            assert (plain / "final" / path.name).read_bytes() == path.read_bytes()
    model = load_model(plain / "final")
    assert model.dtype == torch.bfloat16
    record = json.loads((plain / "final" / "train.json").read_text())
    assert record["step"] == 24
    assert record["recipe"]["lr"] == 1e-3


def test_the_last_checkpoints_are_kept(plain):
    assert [step for step, _ in checkpoints(plain)] == [21, 24]


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["hub", "memory"])
def test_killed_and_run_again_is_as_if_undisturbed(layout, trio, memory_trio, data, plain, tmp_path):
    """SIGKILL between two checkpoints; the same command; the same bytes and the same losses."""
    model = {"hub": trio, "memory": memory_trio}[layout].vlm
    words = command(model, data, tmp_path / "out")
    process = start(words, tmp_path / "cache")
    wait_for_step(tmp_path / "out", 10, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    reached = len(step_losses(tmp_path / "out"))
    assert 10 <= reached < 24
    assert not (tmp_path / "out" / "final").exists()
    finish(start(words, tmp_path / "cache"))
    assert step_losses(tmp_path / "out") == step_losses(plain)
    assert digest(tmp_path / "out" / "final") == digest(plain / "final")


@pytest.mark.slow
def test_asked_to_stop_it_saves_first(trio, data, plain, tmp_path):
    words = command(trio.vlm, data, tmp_path / "out", checkpoint_every=0)
    process = start(words, tmp_path / "cache")
    wait_for_step(tmp_path / "out", 3, process)
    process.send_signal(signal.SIGTERM)
    assert "to continue: viscodex train tiny" in finish(process, 130)
    ((step, _),) = checkpoints(tmp_path / "out")
    assert step == len(step_losses(tmp_path / "out"))
    finish(start(words, tmp_path / "cache"))
    assert digest(tmp_path / "out" / "final") == digest(plain / "final")


@pytest.mark.slow
def test_two_ranks_with_mixed_batches_equal_one(trio, data, plain, tmp_path):
    """FSDP2 over gloo; in many steps one rank has pictures and the other text alone."""
    finish(start(command(trio.vlm, data, tmp_path / "out"), tmp_path / "cache", ranks=2))
    ours, theirs = step_losses(tmp_path / "out"), step_losses(plain)
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-6)
    before, one, two = weights(trio.vlm), weights(plain / "final"), weights(tmp_path / "out" / "final")
    assert one.keys() == two.keys()
    for name, value in one.items():
        moved = (value.float() - before[name].float()).abs().mean()
        apart = (value.float() - two[name].float()).abs().mean()
        assert apart <= 0.05 * moved, name


def test_other_settings_do_not_go_on(trio, data, plain):
    with pytest.raises(UsageError, match=r"lr was 0.001"):
        run_training(recipe(trio.vlm, data, lr=2e-3), plain, ALONE)


def test_a_decoded_bad_picture_is_skipped_and_recorded(trio, tmp_path):
    records = [*mixed(12), *(record | {"id": reason} for reason, record in bad().items())]
    write_parquet(tmp_path / "data.parquet", records)
    made = recipe(trio.vlm, tmp_path, max_steps=None, epochs=1, eval_share=0.0, checkpoint_every=0)
    result = run_training(made, tmp_path / "out", ALONE)
    skipped = {row["id"]: row["reason"] for row in JsonLines(tmp_path / "out" / "skipped.jsonl")}
    assert skipped == {name: name.partition("/")[0] for name in bad()}
    assert sum(result["skipped"].values()) == len(bad())
    seen = sum(row["samples"] for row in JsonLines(tmp_path / "out" / "metrics.jsonl") if row["kind"] == "step")
    assert seen == 12


def test_a_loss_that_is_no_number_stops_and_keeps_the_batch(trio, data, tmp_path):
    with pytest.raises(VisCodexError, match="the loss is") as caught:
        run_training(recipe(trio.vlm, data, lr=1e30, clip=0.0, warmup=0.0), tmp_path / "out", ALONE)
    assert "html-" in caught.value.problem or "chart-" in caught.value.problem
    assert "lr=" in caught.value.hint
    assert torch.load(caught.value.where, weights_only=False)["batches"]
    assert not (tmp_path / "out" / "final").exists()


@pytest.mark.slow
def test_two_ranks_train_projector_and_backbone_and_one_goes_on(trio, data, tmp_path):
    """The projector is whole on both ranks, its gradients are added up; the checkpoint fits any number of ranks."""
    more = {"train_parts": '["projector","backbone"]', "max_steps": 6, "checkpoint_every": 3, "keep": 9}
    out = tmp_path / "out"
    finish(start(command(trio.vlm, data, out, **more), tmp_path / "cache", ranks=2))
    parts = {"train_parts": ["projector", "backbone"], "max_steps": 6, "checkpoint_every": 3, "keep": 9}
    run_training(recipe(trio.vlm, data, **parts), tmp_path / "one", ALONE)
    assert step_losses(out) == pytest.approx(step_losses(tmp_path / "one"), rel=1e-4)
    before, one, two = weights(trio.vlm), weights(tmp_path / "one" / "final"), weights(out / "final")
    for name in one:
        if part_of(name) == "projector":
            moved = (one[name].float() - before[name].float()).abs().mean()
            assert moved > 0
            assert (one[name].float() - two[name].float()).abs().mean() <= 0.05 * moved
    remove_tree(out / "final")
    remove_tree(out / "step-000006")
    run_training(recipe(trio.vlm, data, **parts), out, ALONE)
    assert step_losses(out) == pytest.approx(step_losses(tmp_path / "one"), rel=1e-4)


@pytest.mark.slow
def test_two_ranks_train_the_projector_alone(trio, data, tmp_path):
    """Where one rank has text alone and the other a picture, both gather every layer for the backward pass."""
    more = {"max_steps": 8, "batch_size": 2, "checkpoint_every": 0}
    words = command(trio.vlm, data, tmp_path / "out", **more, train_parts='["projector"]')
    finish(start(words, tmp_path / "cache", ranks=2))
    run_training(recipe(trio.vlm, data, **more, train_parts=["projector"]), tmp_path / "one", ALONE)
    assert step_losses(tmp_path / "out") == pytest.approx(step_losses(tmp_path / "one"), rel=1e-4)


@pytest.mark.slow
def test_two_ranks_in_mixed_precision_write_pages(trio, data, tmp_path):
    """float32 shards, gathered in bfloat16; both ranks answer the same prompts."""
    out = tmp_path / "out"
    more = {"precision": "mixed", "max_steps": 3, "samples_every": 2, "samples": 2, "sample_tokens": 8}
    finish(start(command(trio.vlm, data, out, **more, lora_rank=2), tmp_path / "cache", ranks=2))
    values = {**more, "lora_rank": 2}
    run_training(recipe(trio.vlm, data, **values), tmp_path / "one", ALONE)
    assert step_losses(out) == pytest.approx(step_losses(tmp_path / "one"), rel=0.02)
    assert len(list(JsonLines(out / "samples.jsonl"))) == 4
    page = (out / "samples.html").read_text()
    assert page.count("<figcaption>step 3</figcaption>") == 2
    assert "data:image/png;base64," in page


LAUNCH = """
import sys
from pathlib import Path
from viscodex.train.launch import launch
from viscodex.train.recipe import TrainRecipe
launch(TrainRecipe.load(sys.argv[1], {}), Path(sys.argv[2]), 2)
"""


@pytest.mark.slow
def test_launched_on_two_ranks_is_one_training_and_ends_with_who_launched_it(trio, data, tmp_path):
    """SIGKILL for the launcher: its ranks write a checkpoint and end, and another launch goes on from there."""
    given = recipe(trio.vlm, data, checkpoint_every=0)
    alone = run_training(given, tmp_path / "one", ALONE)
    (tmp_path / "given.toml").write_text(tomli_w.dumps(shown_settings(given.resolved())))
    words = [sys.executable, "-c", LAUNCH, str(tmp_path / "given.toml"), str(tmp_path / "out")]
    process = subprocess.Popen(words, env=os.environ | {"OMP_NUM_THREADS": "1"})
    wait_for_step(tmp_path / "out", 3, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 60
    while processes_that_name(tmp_path / "out"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    ((step, _),) = checkpoints(tmp_path / "out")
    assert 3 <= step == len(step_losses(tmp_path / "out")) < 24
    result = launch(given, tmp_path / "out", 2)
    assert {key: result[key] for key in ("steps", "samples", "skipped")} == {
        key: alone[key] for key in ("steps", "samples", "skipped")
    }
    assert result.keys() == alone.keys()
    assert step_losses(tmp_path / "out") == pytest.approx(step_losses(tmp_path / "one"), rel=1e-4)


def processes_that_name(folder: Path) -> list[str]:
    """Whose command line holds the folder: torchrun, and its ranks."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            if str(folder).encode() in place.read_bytes():
                found.append(place.parent.name)
    return found


@pytest.mark.slow
def test_a_launched_training_that_fails_says_so(trio, data, tmp_path):
    with pytest.raises(VisCodexError, match="on 2 ranks failed"):
        launch(recipe(tmp_path / "nothing", data), tmp_path / "out", 2)
