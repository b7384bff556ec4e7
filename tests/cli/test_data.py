"""`viscodex data build`, `merge-shards`: what is said before anything is done, and a small build from end to end."""

from __future__ import annotations

import json

import pytest

from viscodex.cli import main
from viscodex.core.recipe import packaged, recipe_name

RECIPES = [recipe_name(path).removeprefix("data/") for path in packaged("data")]


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return int(end.value.code or 0)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_tells_its_stages(name, capsys):
    assert run("data", "build", name, "--dry-run", "--json") == 0
    stages = json.loads(capsys.readouterr().out)
    assert [row for row in stages if not row["judged_by"].startswith("left out")][-1]["stage"] == "row"
    assert {row["stage"] for row in stages} >= {"decontaminate", "row"}


def test_without_a_model_rules_stand_in_or_stages_are_left_out(capsys):
    assert run("data", "build", "mcd", "--set", "rules_only=true", "--dry-run") == 0
    text = capsys.readouterr().out
    assert "model " not in text.replace("no model", "")
    assert "left out: no model" in text


def test_what_is_missing_is_said(tmp_path, capsys):
    assert run("data", "build", "mcd-sample") == 2
    assert "--out DIR" in capsys.readouterr().err
    assert run("data", "build", "mcd-sample", "--shard", "3/2", "--out", tmp_path / "a") == 2
    assert "--shard takes i/n" in capsys.readouterr().err
    assert run("data", "merge-shards", tmp_path / "none", "--out", tmp_path / "b") == 2
    assert "no such recipe file" in capsys.readouterr().err


@pytest.fixture
def recipe(tmp_path):
    row = {
        "solution": "def one():\n    return 1\n",
        "test_code": "from solution import one\n\ndef test_one():\n    assert one() == 1\n",
    }
    rows = [row | {"question": f"Write one(), variant {n}.", "question_id": f"Apps_{n}_I"} for n in range(4)]
    problems = tmp_path / "problems.jsonl"
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "small.toml"
    path.write_text(f'# Small.\n[algorithm]\npath = "{problems}"\nlicence = "CC0-1.0"\n')
    return path


def test_parts_are_built_and_joined(recipe, tmp_path, capsys):
    for shard, name in (("1/2", "a"), ("2/2", "b")):
        assert run("data", "build", recipe, "--shard", shard, "--workers", 1, "--out", tmp_path / name) == 0
    capsys.readouterr()
    assert run("data", "merge-shards", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "all", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["categories"]["algorithm"]["kept"] == 4
    assert run("data", "build", recipe, "--out", tmp_path / "all") == 0
    assert "gallery.html" in capsys.readouterr().out
