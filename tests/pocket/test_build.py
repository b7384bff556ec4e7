"""The whole pocket build on next to nothing: every stage runs, and a kill changes no byte of what comes out."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xxhash

from viscodex.core.rundir import read_json
from viscodex.core.stages import pending
from viscodex.model.load import load_model
from viscodex.pocket import FOLDER
from viscodex.pocket.build import Build
from viscodex.pocket.geometry import Geometry, backbone, write_random
from viscodex.pocket.recipe import ARMS, POCKET, load
from viscodex.pocket.report import page
from viscodex.pocket.ship import MOST_BYTES, ship_build


def digest(folder: Path) -> str:
    """Of weights and configuration; `train.json` and cards name folders."""
    found = xxhash.xxh3_128()
    for path in sorted(folder.iterdir()):
        if path.name not in ("train.json", "README.md"):
            found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def start(out: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "viscodex", "pocket", "build", "--out", str(out), "--set", "budget=smoke", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ))


def finish(process: subprocess.Popen[str]) -> str:
    told, _ = process.communicate(timeout=900)
    assert process.returncode == 0, told
    return told


def steps(out: Path, run: str) -> int:
    path = out / "runs" / run / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return sum(row["kind"] == "step" for row in rows)


def needed(out: Path, stage: str) -> list[str]:
    """A stage and all that it is made from, in order."""
    stages = {one.name: one for one in Build(out, load({"budget": "smoke"})).stages()}
    names = {stage}
    for name in reversed(stages):
        names |= set(stages[name].needs) if name in names else set()
    return [name for name in stages if name in names]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A finished build on the budget `smoke`."""
    out = tmp_path_factory.mktemp("pocket") / "build"
    finish(start(out))
    return out


@pytest.mark.slow
def test_every_stage_is_done_and_told_of(built):
    assert list(pending(built, list(Build(built, load({"budget": "smoke"})).stages()))) == []
    found = read_json(built / "results" / "pocket.json")
    assert set(found["ablation"]["arms"]) == set(ARMS)
    losses = {float(lam): facts["tuned"]["mean"] for lam, facts in found["lambda"]["tried"].items()}
    assert found["lambda"]["chosen"] == min(losses, key=losses.__getitem__)
    steps = {row["steps"] for name, row in found["trainings"].items() if name.endswith("-seed0")}
    assert len(steps) == 1
    assert found["tests"]["oracle"]["average"] == pytest.approx(100)
    assert found["trainings"][POCKET]["steps"] > max(steps)
    for name in ("lambda.png", "ablation.png", "losses.png", "gallery.html", "results.md"):
        assert (built / "results" / name).stat().st_size > 500
    assert page(found) == (built / "results" / "results.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_models_of_a_build_load_and_say_where_they_come_from(built, tmp_path):
    size = ship_build(built, tmp_path / "ship", "abc1234")
    assert size <= MOST_BYTES
    for name in ("base", "vlm", "code", POCKET):
        model = load_model(tmp_path / "ship" / name)
        assert str(model.dtype) == "torch.bfloat16"
        card = (tmp_path / "ship" / name / "README.md").read_text(encoding="utf-8")
        assert "commit abc1234" in card
        assert str(built) not in card
    assert f"| {POCKET} |" in card  # the last: its training and its score
    assert not list((tmp_path / "ship").rglob("train.json"))


@pytest.mark.slow
def test_what_goes_on_from_an_earlier_build_keeps_its_ablation(built, tmp_path):
    """`report --with`: λ and arms are the earlier build's; what this one made anew is its own, and said to be."""
    earlier = read_json(built / "results" / "pocket.json")
    recipe = load({"budget": "smoke", "start": "shipped", "lambdas": [0.5]})
    job = Build(tmp_path, recipe)
    job.run(("base-lm", "vlm", "code-lm", "test-set", "test-vlm"))
    alone = page(read_json(job.report()))
    assert f"(commit {read_json(FOLDER / 'build.json')['commit']}): `--set start=shipped`" in alone
    found = read_json(job.report(built / "results" / "pocket.json"))
    assert (found["lambda"], found["ablation"]) == (earlier["lambda"], earlier["ablation"])
    assert found["goes_on"]["tests"] == ["vlm"] and found["goes_on"]["trainings"] == ["base", "code", "vlm"]
    assert {name: row for name, row in found["tests"].items() if name != "vlm"} == {
        name: row for name, row in earlier["tests"].items() if name != "vlm"
    }
    assert found["trainings"]["vlm"]["steps"] > earlier["trainings"]["vlm"]["steps"]
    assert "which began with base, vlm and code" in (tmp_path / "results" / "results.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_killed_in_a_training_and_run_again_the_models_are_the_same(built, tmp_path):
    """SIGKILL in the first training, then in the second; the same command; the same bytes."""
    words = [word for name in needed(built, "vlm") for word in ("--only", name)]
    for run in ("base", "vlm"):
        process = start(tmp_path, *words)
        until = time.monotonic() + 300
        while steps(tmp_path, run) < 2 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert steps(tmp_path, run) >= 2
    finish(start(tmp_path, *words))
    for run in ("base", "vlm"):
        assert digest(tmp_path / "runs" / run / "final") == digest(built / "runs" / run / "final")


@pytest.mark.slow
def test_a_second_run_makes_nothing_again(built):
    before = {path: path.stat().st_mtime_ns for path in (built / "stages").iterdir()}
    told = finish(start(built))
    assert re.findall(r"^\d+/\d+ .*", told, flags=re.MULTILINE) == []
    assert {path: path.stat().st_mtime_ns for path in (built / "stages").iterdir()} == before


def test_the_language_model_is_the_backbone_and_nothing_else(tmp_path):
    """Text alone: both give the same probabilities."""
    import torch

    write_random(tmp_path / "sees", Geometry(), 0)
    backbone(tmp_path / "sees", tmp_path / "reads")
    sees, reads = load_model(tmp_path / "sees"), load_model(tmp_path / "reads")
    ids = torch.arange(5, 45)[None]
    with torch.inference_mode():
        assert torch.allclose(sees(input_ids=ids).logits, reads(input_ids=ids).logits, atol=1e-5)
    assert sum(p.numel() for p in reads.parameters()) < sum(p.numel() for p in sees.parameters())


def test_random_weights_are_the_same_again_and_others_with_another_seed(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_random(tmp_path / name, Geometry(), seed)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")
