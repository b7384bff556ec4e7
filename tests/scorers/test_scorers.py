"""What candidates are judged by: the loss is the model's own, the benchmark's score the evaluation's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.merge.conftest import recipe_of
from tests.train.rows import mixed, write_parquet
from viscodex.cli import main
from viscodex.core.errors import UsageError
from viscodex.core.rundir import read_json
from viscodex.eval.benchmark import benchmark
from viscodex.eval.folder import open_run
from viscodex.eval.recipe import EvalRecipe
from viscodex.merge.job import merge_to_folder
from viscodex.merge.live import LiveMerge
from viscodex.merge.plan import plan_merge
from viscodex.merge.recipe import MergeRecipe
from viscodex.merge.search import Budget
from viscodex.model.generate import Generator, Sampling
from viscodex.model.local import Local
from viscodex.model.prompts import task
from viscodex.model.standins import Blank, Oracle
from viscodex.model.tiny import Trio
from viscodex.scorers.benchmark import BenchmarkScore
from viscodex.scorers.intervals import difference, interval
from viscodex.scorers.loss import CalibrationLoss
from viscodex.scorers.searching import Settings, open_scorers, search
from viscodex.train.encode import Encoder
from viscodex.train.sources import open_sources

Tiny = Callable[..., Trio]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    write_parquet(path, mixed(12))
    return path


@pytest.fixture(scope="module")
def local(tiny: Tiny) -> Local:
    return Local(tiny().vlm, dtype=torch.float32)


def test_the_loss_is_what_transformers_computes(tiny: Tiny, local: Local, rows: Path) -> None:
    """Packed, its pictures looked at once, as against one sample after the other."""
    folder = tiny().vlm
    score = CalibrationLoss("loss", rows, local.model, folder, limit=0).score(rows.parent)
    assert len(score.samples) == 12
    encoder = Encoder(local.asker.processor)
    for row in (row for source in open_sources([str(rows)]) for row in source.rows()):
        inputs = encoder.processor(
            text=[encoder.render(row)],
            images=[picture.image().load() for picture in row.pictures] or None,
            return_tensors="pt",
        )
        (encoded,) = encoder.encode([encoder.render(row)], [encoder.measure(row)])
        learned = torch.from_numpy(encoded.is_answer)[1:]
        with torch.inference_mode():
            logits = local.model(**inputs).logits[0, :-1][learned]
        wanted = torch.nn.functional.cross_entropy(logits, inputs["input_ids"][0, 1:][learned])
        assert score.samples[row.id] == pytest.approx(float(wanted), abs=2e-4)


def test_the_draw_is_fixed_and_a_larger_one_contains_it(tiny: Tiny, local: Local, rows: Path) -> None:
    few = CalibrationLoss("loss", rows, local.model, tiny().vlm, limit=4)
    more = replace(few, limit=8)
    a, b = few.score(rows.parent), more.score(rows.parent)
    assert len(a.samples) == 4
    assert set(a.samples) < set(b.samples)
    assert few.settings != more.settings


def test_held_out_samples_are_others(tiny: Tiny, local: Local, rows: Path) -> None:
    first = CalibrationLoss("loss", rows, local.model, tiny().vlm, limit=3)
    second = replace(first, skip=3)
    a, b = (scorer.score(rows.parent).samples.keys() for scorer in (first, second))
    assert len(a) == len(b) == 3
    assert not a & b


def test_a_held_out_benchmark_has_other_tasks(tiny: Tiny, local: Local, tmp_path: Path) -> None:
    settings = Settings(["mmcode"], ["other=mmcode:pass@1"], limit=3)
    (first,) = open_scorers(settings.scores, local, tiny().vlm, settings)
    (second,) = open_scorers(settings.held_out, local, tiny().vlm, settings, is_held_out=True)
    asked = []
    for place, scorer in enumerate((first, second)):
        (task_,) = open_run(tmp_path / str(place), scorer.recipe)
        asked.append({sample.id for sample in task_.samples})
    assert [len(ids) for ids in asked] == [3, 3]
    assert not asked[0] & asked[1]
    everything = replace(settings, limit=0)
    with pytest.raises(UsageError, match="none is held out"):
        open_scorers(everything.held_out, local, tiny().vlm, everything, is_held_out=True)
    (other,) = open_scorers(["chartmimic"], local, tiny().vlm, everything, is_held_out=True)
    assert other.recipe.skip == 0  # the search has seen none of it
    with pytest.raises(UsageError, match="12 samples, and 50 are left out"):
        open_run(tmp_path / "none", first.recipe.model_copy(update={"skip": 50}))


def test_the_model_generates_as_before(tiny: Tiny, local: Local, rows: Path) -> None:
    asked = [task("algorithm", [], "Add two numbers.")]
    before = next(local.generate(asked, Sampling(max_new_tokens=8))).text
    CalibrationLoss("loss", rows, local.model, tiny().vlm, limit=2).score(rows.parent)
    assert next(local.generate(asked, Sampling(max_new_tokens=8))).text == before


def test_a_candidate_in_memory_answers_as_its_checkpoint(tiny: Tiny, rows: Path, tmp_path: Path) -> None:
    trio = tiny()
    recipe = recipe_of(trio, lam=0.3)
    merge_to_folder(plan_merge(recipe, tmp_path / "out"), tmp_path / "out")
    written, loaded = Local(tmp_path / "out"), Local(trio.vlm)
    with LiveMerge(plan_merge(recipe, None), loaded.model) as live:
        live.apply(recipe)
    asked = [task("algorithm", [], "Add two numbers.")]
    texts = [next(model.generate(asked, Sampling(max_new_tokens=16))).text for model in (written, loaded)]
    assert texts[0] == texts[1]
    losses = [
        CalibrationLoss("loss", rows, model.model, trio.vlm, limit=3).score(tmp_path).value
        for model in (written, loaded)
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(("generator", "value"), [(Oracle(), 1.0), (Blank(), 0.0)])
def test_a_benchmark_gives_the_oracle_its_ceiling_and_blank_its_floor(
    tmp_path: Path, generator: Generator, value: float
) -> None:
    recipe = EvalRecipe.parse({"benchmarks": ["mmcode"], "model": "m", "limit": 2, "judge": {"none": True}}, where="t")
    metrics = next(iter(benchmark("mmcode").columns.values()))
    scorer = BenchmarkScore("code", "mmcode", metrics, recipe, generator, store=tmp_path / "store")
    score = scorer.score(tmp_path / "trial")
    assert score.value == value
    assert len(score.samples) == 2
    assert (tmp_path / "trial" / "code" / "mmcode" / "predictions.jsonl").is_file()


def test_a_difference_pairs_samples() -> None:
    a, b = interval({"x": 0.2, "y": 0.4, "only": 9.0}), interval({"x": 0.3, "y": 0.5})
    found = difference(a, b)
    assert found["difference"] == pytest.approx(0.1)
    assert (found["n"], found["better"]) == (2, 2)


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (["loss:nowhere"], "no such calibration data"),
        (["chartmimik"], "not a score"),
        (["mmcode:speed"], "no column"),
        (["mmcode", "mmcode"], "one name"),
    ],
)
def test_scores_that_are_refused(local: Local, tiny: Tiny, texts: list[str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        open_scorers(texts, local, tiny().vlm, Settings(texts))


def test_a_whole_search_with_a_held_out_check(tiny: Tiny, rows: Path, tmp_path: Path) -> None:
    """A grid over a real model; a second run measures nothing again."""
    trio = tiny()
    recipe = MergeRecipe.load("task-arithmetic", {"vlm": str(trio.vlm), "code": str(trio.code)})
    settings = Settings(
        [f"kept=loss:{rows}", "mmcode"],
        [f"other=loss:{rows}"],
        sampler="grid",
        grid=[0.2, 0.6, 1.0],
        first=[0.7],
        limit=2,
        max_new_tokens=4,
        store=tmp_path / "store",
    )
    found = search(recipe, settings, tmp_path / "out", Budget())
    assert found["trials"] == 4
    (held_out,) = found["held_out"]
    assert set(held_out["candidates"]) == {"best of the search", "best of the given"}
    before = (tmp_path / "out" / "held_out.jsonl").read_bytes(), (tmp_path / "out" / "trials.jsonl").read_bytes()
    assert search(recipe, settings, tmp_path / "out", Budget()) == found
    assert (
        (tmp_path / "out" / "held_out.jsonl").read_bytes(),
        (tmp_path / "out" / "trials.jsonl").read_bytes(),
    ) == before
    page = (tmp_path / "out" / "search.html").read_text()
    assert page.count("<img") == 2
    assert "On data the search has not seen" in page
    assert MergeRecipe.load(found["recipe"]).lam == found["lambda"]


def test_the_command_line(tiny: Tiny, rows: Path, tmp_path: Path, capsys: Any) -> None:
    trio = tiny()
    models = ["--set", f"vlm={trio.vlm}", "--set", f"code={trio.code}"]
    words = ["merge", "search", "task-arithmetic", *models, "--score", f"loss:{rows}", "--sampler", "grid"]
    with pytest.raises(SystemExit) as end:
        main(
            [
                *words,
                "--grid",
                "0.5,1",
                "--limit",
                "2",
                "--budget",
                "2 trials",
                "--out",
                str(tmp_path / "out"),
                "--json",
            ]
        )
    assert not end.value.code
    assert read_json(tmp_path / "out" / "result.json")["trials"] == 2
    for wrong in (["--budget", "soon"], ["--sampler", "best"], ["--range", "1"], ["--range", "1,0"], ["--grid", "x"]):
        with pytest.raises(SystemExit) as end:
            main([*words, *wrong, "--out", str(tmp_path / "wrong")])
        assert end.value.code == 2, wrong
    assert not (tmp_path / "wrong").exists()
