"""Patterns run where they can be killed."""

from __future__ import annotations

import pytest

from viscodex.core.sample import Sample
from viscodex.eval.infibench import grading, patterns
from viscodex.eval.infibench.points import UnmeasuredError
from viscodex.model.generate import Completion
from viscodex.sandbox.limits import Limits


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(patterns, "LIMITS", Limits(cpu_s=1.0))


CATASTROPHE = {"content": {"content": "(a+)+$", "regex": True}}


def test_a_pattern_without_end_is_unmeasured(graded, impatient):
    with pytest.raises(UnmeasuredError) as caught:
        graded("a" * 40 + "!", keywords=[CATASTROPHE])
    assert caught.value.reason == "regex_timeout"


def test_and_its_sample_unscored_with_no_number(scorer, impatient):
    checks = {"format": "infibench", "language": "python", "grading": {"keywords": ["word", CATASTROPHE]}, "files": {}}
    checks |= {"full_score": 1.0, "null_score": 0.0, "weight": 1.0}
    sample = Sample(id="x", kind="qa", prompt=("?",), checks=checks)
    outcome = scorer.score(sample, Completion(sample_id="x", text="word " + "a" * 40 + "!"))
    assert [(score.status, score.reason, score.values) for score in outcome.scores] == [
        ("unscored", "regex_timeout", {})
    ] * 2


def test_all_patterns_of_an_answer_share_a_box(graded, monkeypatch):
    runs = []
    run = patterns._run
    monkeypatch.setattr(patterns, "_run", lambda queries: runs.append(len(queries)) or run(queries))
    rules = [{"content": {"content": f"w{n}\\b", "regex": True}} for n in range(5)]
    assert graded("w1 w3 \ud800 \x00", keywords=rules).points["keywords"].points == 2
    assert runs == [5]


def test_patterns_that_are_none_are_refused():
    for pattern in ("(", "a{2,1}", "(?P<x>a)(?P<x>b)", "x" * 5000, "(?:" * 3000):
        with pytest.raises(grading.GradingError):
            grading.read({"keywords": [{"content": {"content": pattern, "regex": True}}]}, {}, "", "published")


def test_a_pattern_that_lower_case_breaks_matches_nothing(graded):
    rule = {"content": {"content": "(?P<w>a)(?P=w)", "regex": True}, "to_lower": True}
    assert graded("aa", "paper", keywords=[rule]).raw == 0.0
    assert graded("aa", "fixed", keywords=[rule]).raw == 1.0
