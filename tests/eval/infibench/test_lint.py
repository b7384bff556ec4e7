"""The linter of suites finds what it promises, and nothing in our own suite."""

from __future__ import annotations

import pytest

from viscodex.eval.infibench import lint_suite
from viscodex.eval.infibench.cases import case
from viscodex.eval.infibench.lint import lint_case

HEAD = "id: a\nlang: python\ngrading:\n"
BLANK = "  blank_filling:\n    template: 'a template with [blank]'\n    targets: "


@pytest.mark.parametrize(
    ("grading", "check"),
    [
        ("  keywords: [word, other]", None),
        ("  keywords: [word]\n  keywords: [other]", "duplicate-key"),
        ("  keywords: [{content: word, colour: red}]", "unknown-key"),
        ("  keywords: [{content: {or: [{content: word, to_lower: true}]}}]", "nested-key"),
        ("  keywords: [{content: {content: word, weight: 2}}]", "nested-key"),
        ("  keywords: [{content: wo.d, regex: true}]", "nested-key"),
        (BLANK + "[{content: {or: [word, term]}}]", "mapping-target"),
        ("  keywords: [word, 1234]", "not-text"),
        ("  keywords: [{content: word, or: [other]}]", "ambiguous"),
        ("  max_score: 3\n  keywords: [word]", "unreachable-points"),
        ("  keywords: [{content: {content: word, cond: \"context[-1].startswith('match')\"}}]", "unreachable-points"),
        (BLANK + "[one, two]", "unreachable-points"),
        (BLANK + "['`word`']", "unreachable-points"),
        ("  keywords: [word, '30']", "short-keyword"),
        ("  keywords: [{content: {content: 'a\\Sword', regex: true}, to_lower: true}]", "lowered-escape"),
        ("  keywords: [{content: {content: '(a+)+$', regex: true}}]", "slow-pattern"),
        ("  keywords: [word, '']", "empty-passes"),
        ("  min_score: 0.5\n  keywords: [word]", "empty-passes"),
        ("  customized: {module: cases.handler, func: main}", "not-registered"),
        ("  unit_test: {lang: cobol, tests: [{content: x}]}", "no-runtime"),
        ("  keywords: word", "rejected"),
    ],
)
def test_what_is_found(grading, check):
    found = {finding.check for finding in lint_case(case(HEAD + grading, "a prompt", {}, "a"))}
    assert found == {check} - {None} or (check in found and check in ("empty-passes", "short-keyword")), found


@pytest.mark.parametrize(("test", "found"), [("assert True", ["empty-passes"]), ("assert add(1, 1) == 2", [])])
def test_a_test_that_passes_without_an_answer(test, found):
    loaded = case(HEAD + f"  unit_test: {{tests: [{{content: '{test}'}}]}}", "a prompt", {}, "a")
    assert [finding.check for finding in lint_case(loaded, run=True)] == found
    assert lint_case(loaded) == []


def test_nothing_is_odd_in_our_own_suite():
    assert lint_suite() == []


def test_the_recorded_suite_shows_what_is_known_of_it(table):
    found = {(finding.case, finding.check) for finding in lint_suite(table)}
    assert ("3-12-556", "duplicate-key") in found  # `content:` twice in one target
    assert ("3-12-561", "mapping-target") in found
    assert ("3-12-534", "nested-key") in found
    assert ("0-0-1", "not-registered") in found
    assert {case for case, check in found if check == "rejected"} == set()
