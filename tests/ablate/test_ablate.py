"""The ablation: every arm from the right starting point, done once, in one table whose intervals mean something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.train.rows import mixed, write_parquet
from viscodex.ablate.build import Ablation
from viscodex.ablate.recipe import AblateRecipe
from viscodex.ablate.report import cell, markdown, table
from viscodex.ablate.results import differences, interval, mean, resampled
from viscodex.checkpoint.reader import open_checkpoint
from viscodex.cli import main
from viscodex.core.errors import UsageError
from viscodex.model.tiny import Trio

Tiny = Callable[..., Trio]


def recipe_for(trio: Trio, data: Path, **more: Any) -> AblateRecipe:
    values: dict[str, Any] = {
        "name": "tiny",
        "vlm": str(trio.vlm),
        "code": {"main": str(trio.code), "other": str(trio.base)},
        "lambda": 0.7,
        "lambdas": [0.9],
        "seeds": [0],
        "train": {"data": [str(data)], "max_steps": 1, "batch_size": 2, "prepared": str(data.parent / "prepared")}
        | {"checkpoint_every": 0, "eval_every": 0, "eval_share": 0.0, "precision": "float32", "lr": 1e-3},
        "eval": {"benchmarks": ["mmcode"], "limit": 1, "max_new_tokens": 2, "judge": {"none": True}},
    }
    return AblateRecipe.parse(values | more, where="test")


def test_arms_and_where_they_start(tiny: Tiny, tmp_path: Path) -> None:
    recipe = recipe_for(tiny(), tmp_path / "rows.parquet")
    assert {arm.name: arm.start for arm in recipe.all_arms()} == {
        "merge": "merge-main-0.7",
        "no-merge": "vlm",
        "replace-1stage": "replace-main",
        "replace-2stage": "replace-main",
        "merge-other": "merge-other-0.7",
        "lambda-0.9": "merge-main-0.9",
    }
    names = [stage.name for stage in Ablation(tmp_path / "out", recipe).stages()]
    assert len(names) == len(set(names)) == 4 + 2 + 2 + 6 * 2 + 1
    two_stages = [stage for stage in Ablation(tmp_path, recipe).stages() if stage.name.startswith("replace-2stage")]
    assert [stage.settings["train_parts"] for stage in two_stages] == [["projector"], ["backbone", "projector"]]


@pytest.mark.slow
def test_an_ablation_from_end_to_end_and_again(tiny: Tiny, tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows.parquet", mixed(8))
    recipe = recipe_for(tiny(), tmp_path / "rows.parquet", arms=["merge", "replace-2stage"], lambdas=[], code={
        "main": str(tiny().code)
    })  # fmt: skip
    job = Ablation(tmp_path / "out", recipe, "cpu", store=tmp_path / "store")
    found = job.run()
    assert found["columns"] == ["mmcode pass@1"]
    assert list(found["rows"]) == ["oracle", "blank", "vlm", "merged", "merge", "replace-2stage"]
    assert found["rows"]["oracle"]["average"]["mean"] == 100.0
    assert found["rows"]["blank"]["average"]["mean"] == 0.0
    assert set(found["differences"]) == {"replace-2stage"}
    page = (job.out / "ablation.html").read_text()
    assert "merge + SFT" in page
    assert "<img" in page
    before = {path: path.stat().st_mtime_ns for path in job.out.rglob("*.safetensors")}
    assert open_checkpoint(job.out / "runs" / "merge-seed0" / "final").problems == ()
    again = job.run()
    assert again["rows"] == found["rows"]
    assert {path: path.stat().st_mtime_ns for path in job.out.rglob("*.safetensors")} == before


def test_settings_of_other_jobs_are_checked_at_once(tiny: Tiny, tmp_path: Path) -> None:
    for wrong in (
        {"train": {"speed": 1}},
        {"eval": {"benchmarks": ["chess"]}},
        {"arms": ["merge", "magic"]},
        {"seeds": [0, 1, 0]},
    ):
        with pytest.raises(UsageError):
            recipe_for(tiny(), tmp_path, **wrong)
    with pytest.raises(UsageError, match="no vlm"):
        Ablation(tmp_path / "out", AblateRecipe.parse({}, where="test")).run()


def columns(chance: np.random.Generator, mean: float, size: int = 60) -> dict[str, Any]:
    return {"mmcode pass@1": 100.0 * (chance.random(size) < mean), "infibench x": chance.normal(100 * mean, 5, size)}


def test_intervals_hold_what_they_promise() -> None:
    """Nine in ten or more of 95 % intervals hold the truth, over tests drawn anew."""
    held = 0
    for seed in range(60):
        draws = resampled([columns(np.random.default_rng(seed), 0.4)], seed)
        value = interval(0.0, draws["mmcode pass@1"])
        held += value["low"] <= 40.0 <= value["high"]
    assert held >= 54


def test_a_difference_counts_what_arms_share() -> None:
    """An arm that is a little better on every sample is better for sure, however far the samples lie apart."""
    base = columns(np.random.default_rng(0), 0.5)
    better = {name: values + 1.0 for name, values in base.items()}
    found = differences({"merge": [better], "no-merge": [base]}, list(base))
    assert found["no-merge"]["average"]["low"] == pytest.approx(1.0)
    assert found["no-merge"]["average"]["high"] == pytest.approx(1.0)
    assert differences({"no-merge": [base]}, list(base)) == {}


def test_what_could_not_be_scored_is_no_zero() -> None:
    """Mean and interval are those of the samples that were scored; how many were not is told."""
    known = {"mmcode pass@1": np.array([100.0, 100.0, 0.0, 100.0])}
    holes = {"mmcode pass@1": np.array([100.0, np.nan, 100.0, np.nan, 0.0, 100.0])}
    assert mean(holes["mmcode pass@1"]) == mean(known["mmcode pass@1"]) == 75.0
    assert mean(np.array([np.nan])) == 0.0
    draws = resampled([holes])["mmcode pass@1"]
    assert abs(float(draws.mean()) - 75.0) < 2.0
    everything = resampled([{"mmcode pass@1": np.array([100.0, np.nan])}])["mmcode pass@1"]
    assert set(everything) == {0.0, 100.0}  # a draw without any scored sample has no mean
    columns = {"mmcode pass@1": {"mean": 75.0, "low": 0.0, "high": 100.0, "unscored": 2}}
    row = {"title": "merge + SFT", "seeds": 1, "average": columns["mmcode pass@1"], "columns": columns}
    found = {"recipe": {"name": "x"}, "columns": list(columns), "rows": {"merge": row}, "differences": {}}
    assert "could not be scored: merge + SFT, mmcode pass@1: 2." in markdown(found)


def test_the_table_in_words() -> None:
    value = {"mean": 3.14, "low": -1.0, "high": 7.2}
    assert cell(value) == "3.1 (-1.0–7.2)"
    assert cell(value, signed=True) == "+3.1 (-1.0 to +7.2)"
    row = {"title": "merge + SFT", "seeds": 3, "average": value, "columns": {"mmcode pass@1": value}}
    found = {"recipe": {"name": "x"}, "columns": ["mmcode pass@1"], "rows": {"merge": row}, "differences": {}}
    assert table(found)[1] == [["merge + SFT", "3", "3.1 (-1.0–7.2)", "3.1 (-1.0–7.2)"]]
    assert "| merge + SFT | 3 |" in markdown(found)


def test_the_command_line_lists_its_stages(tiny: Tiny, tmp_path: Path, capsys: Any) -> None:
    trio = tiny()
    models = ["--set", f"vlm={trio.vlm}", "--set", f"code.code={trio.code}", "--set", f"code.base={trio.base}"]
    with pytest.raises(SystemExit) as end:
        main(["ablate", *models, "--out", str(tmp_path / "out"), "--dry-run"])
    assert not end.value.code
    assert "replace-2stage-seed2-projector" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
