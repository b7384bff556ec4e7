"""The stages of a pocket build: their order, and that the arms differ in what they start from alone."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from viscodex.core.errors import UsageError
from viscodex.core.stages import fingerprints
from viscodex.model.load import load_model
from viscodex.pocket import weights
from viscodex.pocket.build import Build
from viscodex.pocket.recipe import ARMS, TRAININGS, load
from viscodex.pocket.results import results
from viscodex.pocket.ship import training_of


@pytest.mark.parametrize("budget", ["smoke", "cpu", "gpu"])
def test_every_arm_has_the_same_data_steps_and_settings(budget, tmp_path):
    recipe = load({"budget": budget})
    stages = {stage.name: stage for stage in Build(tmp_path, recipe).stages()}
    for seed in recipe.seeds:
        arms = [stages[f"{arm}-seed{seed}"] for arm in ARMS]
        alike = [{k: v for k, v in arm.settings.items() if k != "train_parts"} for arm in arms]
        assert all(settings == alike[0] for settings in alike)
        assert alike[0]["seed"] == seed
        assert all("mcd" in arm.needs for arm in arms)
        assert all("vision" not in arm.settings["train_parts"] for arm in arms)
        assert stages[f"replace-2stage-seed{seed}-projector"].settings["train_parts"] == ["projector"]


@pytest.mark.parametrize("given", [{}, {"start": "shipped"}, {"budget": "further"}, {"budget": "smoke"}])
def test_stages_need_only_what_comes_before_them(given, tmp_path):
    seen: set[str] = set()
    for stage in Build(tmp_path, load(given)).stages():
        assert set(stage.needs) <= seen
        assert stage.name not in seen
        seen.add(stage.name)


def test_one_more_seed_makes_only_its_own_stages(tmp_path):
    two, three = (fingerprints(list(Build(tmp_path, load({"seeds": seeds})).stages())) for seeds in ([0, 1], [0, 1, 2]))
    assert {name for name in three if three[name] != two.get(name)} == {n for n in three if "seed2" in n}


def test_what_begins_with_the_shipped_models_trains_all_but_them(tmp_path):
    whole, rest = (
        {stage.name: stage for stage in Build(tmp_path, load({"start": start})).stages()}
        for start in ("random", "shipped")
    )
    ours = {"random", "corpus", "copying", "glance", "describe", "write", "base", "code"}
    assert whole.keys() - rest.keys() == ours and not rest.keys() - whole.keys()
    for name in rest.keys() - {"base-lm", "vlm", "code-lm"}:
        assert rest[name].settings == whole[name].settings and rest[name].makes == whole[name].makes


def test_the_shipped_models_are_restored_as_they_are(tmp_path):
    """The same numbers in float32, and what was told of how they came about."""
    done = Build(tmp_path, load({"budget": "smoke", "start": "shipped"})).run(("base-lm", "vlm", "code-lm"))
    for stage, name, made in (
        ("base-lm", "base", "models/base"),
        ("vlm", "vlm", "runs/vlm/final"),
        ("code-lm", "code", "models/code"),
    ):
        ours, theirs = (load_file(folder / "model.safetensors") for folder in (tmp_path / made, weights(name)))
        assert ours.keys() == theirs.keys()
        assert all(ours[key].dtype == torch.float32 and torch.equal(ours[key], theirs[key].float()) for key in ours)
        assert load_model(tmp_path / made).dtype == torch.float32
        told = results(tmp_path, load({"budget": "smoke", "start": "shipped"}), done)["trainings"][name]
        assert told["steps"] > 0 and told["commit"] == done[stage]["facts"]["training"]["commit"]


@pytest.mark.parametrize("name", TRAININGS)
def test_a_budget_that_misspells_a_setting_of_a_training_is_refused(name):
    with pytest.raises(UsageError, match="batch_sise"):
        load({name: {"batch_sise": 8}}).training(name, ["backbone"])


def test_nothing_is_trained_further_that_does_not_ship():
    with pytest.raises(UsageError, match="start = shipped"):
        load({"further": True})


def test_a_model_that_was_trained_twice_tells_of_both():
    """What a card says of a vlm that shipped, was trained further, and ships again."""
    row = {"steps": 10, "samples": 320, "cpu_seconds": 5, "loss": [[10, 0.5]]}
    told = {"commit": "c0ffee1", "trainings": {"vlm-shipped": row, "strips": row, "vlm": row | {"loss": [[10, 0.1]]}}}
    found = training_of("vlm", told)
    assert (found["steps"], found["samples"], found["cpu_seconds"]) == (30, 960, 15)
    assert found["loss"] == [[10, 0.1]] and found["commit"] == "c0ffee1"


def test_an_unknown_arm_is_refused():
    with pytest.raises(UsageError, match="no arm swap"):
        load({"arms": ["swap"]})


def test_lambdas_that_merge_nothing_are_refused():
    with pytest.raises(UsageError, match="nothing would be merged"):
        load({"lambdas": [0.0, 1.0]})
