"""Rules: keywords and targets under both protocols."""

from __future__ import annotations

import pytest

from viscodex.eval.infibench import grading
from viscodex.eval.infibench.reading import GradingError


def points(measured, name="keywords"):
    return measured.points[name].points


@pytest.mark.parametrize(
    ("rule", "answer", "matches"),
    [
        ("Scaffold", "a Scaffold", True),
        ("Scaffold", "a scaffold", False),
        ({"content": "Scaffold", "to_lower": True}, "a scaFFold", True),
        ({"content": {"or": ["one", "two"]}}, "two", True),
        ({"content": {"and": ["one", {"content": "two"}]}}, "one three", False),
        ({"content": {"and": ["one", {"or": ["two", {"content": {"or": ["three"]}}]}]}}, "one three", True),
        ({"content": {"content": "a.c"}}, "abc", False),
        ({"content": {"content": "a.c", "regex": True}}, "abc", True),
        ({"content": {"regex": True, "or": ["x+y", {"content": "a.c"}]}}, "abc", True),  # inherited
        ({"content": {"regex": True, "or": [{"content": "a.c", "regex": False}]}}, "abc", False),
        ({"content": None, "or": ["one", "two"]}, "two", True),
    ],
)
def test_a_rule_matches(graded, rule, answer, matches):
    for protocol in ("paper", "fixed"):
        assert points(graded(answer, protocol, keywords=[rule])) == float(matches)


@pytest.mark.parametrize(
    ("rule", "answer", "paper", "fixed"),
    [
        ({"content": {"or": [{"content": "Not True", "to_lower": True}]}}, "NOT TRUE", 0, 1),
        ({"content": {"content": "word", "weight": 3.0}}, "word", 1, 3),
        ({"content": {"or": [{"content": "word", "weight": 3.0}, "other"]}}, "word", 1, 3),
        ({"content": {"content": "word", "weight": 3.0}, "weight": 2.0}, "word", 2, 2),
        ({"content": "Consumer[2-6]", "regex": True}, "Consumer4", 0, 1),
        ({"content": {"content": r"a\Sb", "regex": True}, "to_lower": True}, "A-B", 0, 1),
        ({"content": "word", "cond": "context[-1].startswith('match')"}, "word", 1, 0),
    ],
)
def test_what_paper_does_not_read_and_fixed_does(graded, rule, answer, paper, fixed):
    assert points(graded(answer, "paper", keywords=[rule])) == paper
    assert points(graded(answer, "fixed", keywords=[rule])) == fixed


def test_conditions_look_back(graded):
    rules = ["one", {"content": {"content": "two", "cond": "context[-1].startswith('match')"}}]
    for answer, trace in {
        "one two": ("match", "match"),
        "two": ("unmatch", "unmatch"),
        "one": ("match", "unmatch"),
    }.items():
        measured = graded(answer, keywords=rules)
        assert measured.points["keywords"].trace == trace
        assert measured.points["keywords"].total == 2


@pytest.mark.parametrize(
    "condition",
    ["__import__('os').system('true')", "context[-1].startswith('match') or 1", "context[0]", "True", "", 1, "x" * 999],
)
def test_a_condition_is_parsed_and_never_evaluated(condition):
    with pytest.raises(GradingError, match="not a condition"):
        grading.read({"keywords": [{"content": {"content": "a", "cond": condition}}]}, {}, "", "published")


def test_what_must_not_be_said_takes_away_and_scores_are_cut(graded):
    rules = ["good", {"content": "bad", "neg": True, "weight": 3}]
    assert graded("bad", keywords=rules).raw == -3.0
    assert graded("bad", keywords=rules).values["score"] == 0.0
    assert graded("bad", keywords=rules, min_score=0.5).raw == 0.5
    assert graded("good", keywords=["good", "better"], max_score=1).values["score"] == 1.0


def test_metrics_add_up_and_full_score_is_the_suite_s_own(graded):
    blank = {"template": "the answer is [blank]", "targets": [{"content": "42", "weight": 3}]}
    measured = graded("the answer is 42", keywords=["nothing"], blank_filling=blank)
    assert measured.raw == pytest.approx(3 / 4)
    assert measured.values == {"score": 0.75, "keywords": 0.0, "blank_filling": 1.0}


@pytest.mark.parametrize(
    ("target", "said", "paper", "fixed"),
    [
        ("queries", "queries", 1, 1),
        ({"content": "Queries", "to_lower": True}, "QUERIES", 1, 1),
        ({"content": ["a1", "b2"]}, "b2", 1, 1),
        ({"content": ["a1", {"content": "b[0-9]", "regex": True}], "weight": 2}, "b7", 2, 2),
        ({"content": ["a1", {"content": "b[0-9]", "regex": True}]}, "b77", 0, 0),  # the whole must match
        ({"content": "b7", "substr_match": True}, "a b7 c", 1, 1),
        ({"content": {"or": ["a1", {"content": "b2"}]}}, "b2", 0, 1),
        ({"content": {"or": ["a1", {"content": "b2"}]}}, "or", 1, 0),
        ({"content": {"content": "targetSdkVersion"}, "to_lower": True}, "targetsdkversion", 0, 1),
    ],
)
def test_targets_of_blanks(graded, target, said, paper, fixed):
    blank = {"template": "a template of some length: [blank]; and its end", "targets": [target]}
    answer = f"a template of some length: {said}; and its end"
    assert points(graded(answer, "paper", blank_filling=blank), "blank_filling") == paper
    assert points(graded(answer, "fixed", blank_filling=blank), "blank_filling") == fixed


@pytest.mark.parametrize(("words", "share"), [(8, 1.0), (4, 1.0), (2, 0.4348), (1, 0.0)])
def test_similarity_is_stretched_between_its_bounds(graded, words, share):
    reference = "alpha beta gamma delta epsilon zeta eta theta"
    answer = " ".join(reference.split()[:words])  # F = 2w / (8 + w)
    rouge = [{"metric": "rouge1", "references": ["quite another thing", reference]}]
    assert graded(answer, similarity=rouge).values["similarity"] == pytest.approx(share, abs=1e-4)


def test_a_very_long_answer_is_no_work_for_rouge(graded):
    rouge = [{"metric": "rougeLsum", "references": ["alpha beta gamma " * 30]}]
    assert graded("alpha " * 200_000, similarity=rouge).raw == 0.0
