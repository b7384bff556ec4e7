"""Generate, score, report: nothing is done twice, nothing is lost, nothing leaves the denominator unsaid."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from tests.eval.letters import LETTERS, SAMPLES, Letters
from viscodex.core.rundir import JsonLines
from viscodex.eval.folder import Task
from viscodex.eval.generate import generate
from viscodex.eval.recipe import EvalRecipe
from viscodex.eval.report import benchmark_report, write_reports
from viscodex.eval.results import collect
from viscodex.eval.score import score
from viscodex.eval.store import Store
from viscodex.model.generate import Completion
from viscodex.model.standins import Blank, Oracle
from viscodex.runner.shards import Shard

WHOLE = Shard()
ORACLE, BLANK = EvalRecipe(generator="oracle"), EvalRecipe(generator="blank")


def make_task(folder, samples=SAMPLES):
    return Task(LETTERS, LETTERS.load(None), tuple(samples), folder / "letters")


@pytest.fixture
def task(tmp_path):
    return make_task(tmp_path / "run")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Whom the scorer was called for, so far."""
    path = tmp_path / "calls"
    path.touch()
    monkeypatch.setenv("LETTERS_CALLS", str(path))
    return lambda: path.read_text().split()


def answer(task, *, finish="stop", **texts):
    task.folder.mkdir(parents=True, exist_ok=True)
    with JsonLines(task.folder / "predictions.jsonl") as file:
        for sample_id, text in texts.items():
            file.append(Completion(sample_id=sample_id, text=text, finish=finish).model_dump())


def mean(task, metrics=("letters", "first")):
    return collect(task, 1).column("fixed", metrics).mean


def test_the_oracle_reaches_the_ceiling_and_blank_the_floor(tmp_path, store):
    for recipe, generator, expected in ((ORACLE, Oracle(), 1.0), (BLANK, Blank(), 0.0)):
        task = make_task(tmp_path / recipe.generator)
        assert generate(task, recipe, generator, WHOLE).new == 4
        score(task, WHOLE, store)
        assert mean(task) == expected
    assert collect(task, 1).counts("fixed") == {"scored": 0, "failed": 4, "unscored": 0}


def test_generating_again_asks_nothing_and_after_a_cut_line_asks_that_one(task):
    generate(task, ORACLE, Oracle(), WHOLE)
    assert generate(task, ORACLE, Oracle(), WHOLE).new == 0
    file = task.folder / "predictions.jsonl"
    file.write_bytes(file.read_bytes()[:-20])  # killed while it wrote the last line
    assert generate(task, ORACLE, Oracle(), WHOLE).new == 1
    assert [json.loads(line)["sample_id"] for line in file.read_text().splitlines()] == ["a", "b", "c", "d"]


def test_scoring_again_calls_no_scorer(task, store, calls):
    answer(task, a="abcd", b="x", c="cd", d="")
    assert score(task, WHOLE, store).new == 4
    before = (task.folder / "scores.jsonl").read_bytes()
    again = score(task, WHOLE, store)
    assert (again.already, again.new, len(calls())) == (4, 0, 4)
    assert (task.folder / "scores.jsonl").read_bytes() == before


def test_the_same_answer_in_another_run_is_known(tmp_path, task, store, calls):
    answer(task, a="abcd", b="x", c="cd", d="")
    score(task, WHOLE, store)
    other = make_task(tmp_path / "other")
    answer(other, d="", c="cd", a="abcd", b="another")
    found = score(other, WHOLE, store)
    assert (found.from_store, found.new, len(calls())) == (3, 1, 5)


def test_a_changed_answer_is_scored_anew_and_until_then_has_no_number(task, store):
    answer(task, a="abcd", b="bcde", c="cdef", d="defg")
    score(task, WHOLE, store)
    answer(task, a="x")
    assert collect(task, 1).reasons("fixed", "unscored") == {"not_scored": 1}
    assert score(task, WHOLE, store).new == 1
    assert mean(task) == 0.75


def test_another_environment_scores_everything_anew(task, store, monkeypatch):
    answer(task, a="abcd", b="x", c="cd", d="")
    score(task, WHOLE, store)
    monkeypatch.setenv("LETTERS_ALPHABET", "greek")
    assert score(task, WHOLE, store).new == 4
    environments = json.loads((task.folder / "environments.json").read_text())
    assert {value["alphabet"] for value in environments.values()} == {"latin", "greek"}


def test_a_scorer_that_breaks_costs_no_number_and_is_asked_again(task, store, calls):
    answer(task, a="raise", b="bcde", c="cdef", d="defg")
    assert dict(score(task, WHOLE, store).unscored) == {"RuntimeError": 1}
    results = collect(task, 1)
    assert results.counts("fixed") == {"scored": 3, "failed": 0, "unscored": 1}
    assert mean(task) == 1.0  # of three; the report says that one is missing
    again = score(task, WHOLE, store)
    assert (again.already, again.new, calls().count("a")) == (3, 1, 4)  # two tries in each pass


def test_an_answer_that_kills_the_scorer_takes_no_other_with_it(task, store):
    answer(task, a="die", b="bcde", c="cdef", d="defg")
    assert dict(score(task, WHOLE, store, workers=2).unscored) == {"died": 1}
    assert collect(task, 1).counts("fixed") == {"scored": 3, "failed": 0, "unscored": 1}


def test_what_has_no_answer_fails_and_what_the_endpoint_failed_to_give_is_unscored(task, store):
    answer(task, a="abcd")
    answer(task, finish="error", b="")
    score(task, WHOLE, store)
    results = collect(task, 1)
    assert results.counts("fixed") == {"scored": 1, "failed": 2, "unscored": 1}
    assert results.reasons("fixed", "failed") == {"missing": 2}
    assert results.reasons("fixed", "unscored") == {"generation_error": 1}


def test_a_metric_that_nobody_measured_has_no_mean(task, store):
    """Its zeros for answers that failed are floors, not a measurement."""
    answer(task, a="abcd", b="", c="", d="")
    score(task, WHOLE, store)
    rows = [json.loads(line) for line in (task.folder / "scores.jsonl").read_text().splitlines()]
    for row in rows:
        for one in row["scores"]:
            if one["status"] == "scored":
                one["values"]["first"] = None
    (task.folder / "scores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    results = collect(task, 1)
    assert results.column("fixed", ("first",)) is None
    assert results.column("fixed", ("letters",)).mean == 0.25


def test_order_and_shards_change_nothing(tmp_path, store):
    texts = {"a": "abxx", "b": "", "c": "cdef", "d": "dxxx"}
    whole = make_task(tmp_path / "whole")
    answer(whole, **texts)
    score(whole, WHOLE, store)
    shuffled = random.Random(1).sample(list(texts.items()), 4)
    parts = make_task(tmp_path / "parts")
    answer(parts, **dict(shuffled))
    for number in (3, 1, 2):
        score(parts, Shard(number, 3), Store(tmp_path / f"store-{number}"))
    assert collect(parts, 1).scores == collect(whole, 1).scores


def test_shards_part_the_samples():
    ids = [f"sample-{n}" for n in range(500)]
    held = [[i for i in ids if Shard(number, 4).holds(i)] for number in range(1, 5)]
    assert sorted(i for part in held for i in part) == sorted(ids)
    assert all(80 < len(part) < 170 for part in held)


def test_a_damaged_record_of_the_store_is_made_anew(task, store, calls):
    answer(task, a="abcd", b="bcde", c="cdef", d="defg")
    score(task, WHOLE, store)
    for record in store.folder.glob("??/*.json"):
        record.write_text("{")
    (task.folder / "scores.jsonl").unlink()
    assert score(task, WHOLE, store).new == 4
    assert len(calls()) == 8


def test_several_answers_are_averaged_within_their_sample(task, store):
    task.folder.mkdir(parents=True)
    with JsonLines(task.folder / "predictions.jsonl") as file:
        for sample in SAMPLES:
            for index, text in enumerate([sample.response, "x"]):
                file.append(Completion(sample_id=sample.id, text=text, index=index).model_dump())
    score(task, WHOLE, store)
    estimate = collect(task, 2).column("fixed", ("first",))
    assert (estimate.mean, estimate.n) == (0.5, 4)


def test_the_report_says_what_the_numbers_are_of(task, store, tmp_path):
    answer(task, a="abcd", b="", c="raise")
    score(task, WHOLE, store)
    results = collect(task, 1)
    report = benchmark_report(results, EvalRecipe(imported="somebody"))
    fixed = report["protocols"]["fixed"]
    assert fixed["counts"] == {"scored": 1, "failed": 2, "unscored": 1}
    assert fixed["failed"] == {"empty": 1, "missing": 1}
    assert fixed["columns"]["all"]["n"] == 3
    assert fixed["groups"]["group"]["one"]["all"]["mean"] == 0.5
    assert report["suite"]["sha256"] and report["environments"]
    summary = write_reports(tmp_path / "run", EvalRecipe(imported="somebody"), [task], store)
    assert json.loads((tmp_path / "run" / "report.json").read_text()) == summary
    page = (task.folder / "report.html").read_text()
    assert "<strong>a</strong>" in page and "missing" in page
    assert all((task.folder / path).is_file() for path in _pictures(page))


def _pictures(page):
    return [part.split('"')[0] for part in page.split('src="')[1:]]


def test_what_no_judge_will_see_is_drawn_again_when_one_comes(tmp_path, store, calls):
    benchmark = replace(LETTERS, open_unjudged=Letters)
    plain, other = (
        Task(benchmark, LETTERS.load(None), SAMPLES, tmp_path / name / "letters") for name in ("one", "other")
    )
    answer(plain, a="abcd", b="x", c="cd", d="d")
    assert score(plain, WHOLE, store, is_judged=False).new == 4
    assert score(plain, WHOLE, store, is_judged=False).already == 4
    assert score(plain, WHOLE, store).new == 4  # for the judge
    assert score(plain, WHOLE, store, is_judged=False).already == 4  # what the judge sees serves as well
    answer(other, a="abcd", b="x", c="cd", d="d")
    assert score(other, WHOLE, store, is_judged=False).from_store == 4
    assert score(other, WHOLE, store).already == 4
    assert len(calls()) == 8
