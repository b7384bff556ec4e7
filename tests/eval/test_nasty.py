"""One corpus of nasty answers through all four scorers, from file to counts: no crash, none lost, a reason each."""

from __future__ import annotations

import json

import pytest

from tests.eval.impatient import impatient
from tests.eval.nasty import NASTY
from viscodex.core.rundir import JsonLines
from viscodex.eval.folder import Task
from viscodex.eval.results import collect
from viscodex.eval.score import score
from viscodex.eval.store import Store
from viscodex.model.generate import Completion
from viscodex.runner.shards import Shard

REASONS = {
    "design2code": {"no_page", "timeout", "memory", "too_large", "navigated", "output_limit", "too_many_elements",
                    "too_many_blocks", "too_many_text_tags", "rejected_markup", "error", "crashed"},
    "chartmimic": {"no_code", "no_figure", "error", "exit", "died", "timeout", "memory", "output_limit"},
    "mmcode": {"no_code", "syntax_error", "runtime_error", "timeout", "memory", "output_limit"},
    "infibench": {"empty", "too_long"},
}  # fmt: skip
"""Every word that an answer of the corpus may fail with."""
SEEN = {
    "design2code": {"no_page", "timeout", "too_large", "navigated", "rejected_markup"},
    "chartmimic": REASONS["chartmimic"],
    "mmcode": REASONS["mmcode"],
    "infibench": {"empty"},
}
"""Those that it must fail with somewhere, or the corpus is not nasty."""


def test_there_are_many_and_all_differ():
    assert len(NASTY) == len({name for name, _ in NASTY}) == len({text for _, text in NASTY}) >= 150


@pytest.mark.slow
@pytest.mark.parametrize("name", REASONS)
def test_every_answer_ends_in_a_typed_result(name, tmp_path):
    benchmark, suite = impatient(name)
    task = Task(benchmark, suite, suite.samples, tmp_path / name)
    task.folder.mkdir()
    with JsonLines(task.folder / "predictions.jsonl") as file:
        for index, (_, text) in enumerate(NASTY):
            file.append(Completion(sample_id="q", text=text, index=index).model_dump())
    done = score(task, Shard(), Store(tmp_path / "store"), workers=2)
    assert (done.new, done.unscored) == (len(NASTY), {})
    results = collect(task, len(NASTY))
    for protocol, scores in results.scores.items():
        counts = results.counts(protocol)
        assert counts["unscored"] == 0 and counts["scored"] + counts["failed"] == len(NASTY)
        for score_, (answer, _) in zip(scores, NASTY, strict=True):
            if score_.status == "failed":
                assert score_.reason in REASONS[name], (answer, score_)
                assert not any(score_.values.values()), (answer, score_)
            assert len(score_.detail) <= 600 and json.dumps(score_.model_dump()).encode(), answer
    assert set(results.reasons("fixed", "failed")) | set(results.reasons("paper", "failed")) >= SEEN[name]
