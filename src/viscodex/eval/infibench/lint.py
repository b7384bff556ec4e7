"""The linter of suites: what in a case can be read, but not meant.

duplicate-key        a key twice in one mapping; the first is lost
unknown-key          a key that nobody reads
nested-key           to_lower, weight, regex or cond where paper does not look for it
mapping-target       a blank's target that paper compares by its keys
not-text             a word that YAML has made a number or a truth value
ambiguous            content, or, and side by side
unreachable-points   points that no answer can get
short-keyword        a keyword of fewer than three letters or digits, found in almost any answer
lowered-escape       a pattern under to_lower with an escape that lower case turns into its opposite
slow-pattern         a repetition within a repetition: may backtrack for ever
empty-passes         an empty answer gets points; for unit tests, only with `run=True`
not-registered       a scorer that nobody has registered
no-runtime           unit tests in a language that we do not run
weight               questions weigh differently: means that do not say so count them alike
rejected             a case that cannot be read at all
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from viscodex.eval.infibench import unit_test
from viscodex.eval.infibench.blank_filling import Target
from viscodex.eval.infibench.customized import CUSTOM
from viscodex.eval.infibench.grading import Grading
from viscodex.eval.infibench.keywords import Rule
from viscodex.eval.infibench.loaded import Loaded, unique
from viscodex.eval.infibench.measure import measure
from viscodex.eval.infibench.points import RefusedError, UnmeasuredError
from viscodex.eval.infibench.rules import Node
from viscodex.eval.infibench.scorer import Case
from viscodex.eval.infibench.suite import read
from viscodex.eval.infibench.unit_test import UnitTests

LEAST_LETTERS = 3
UPPER_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\([SWDBAZ])")
NESTED_REPEAT = re.compile(r"\((?:[^()\\]|\\.)*(?:[+*]|\{\d+,\d*\})(?:[^()\\]|\\.)*\)(?:[+*]|\{\d+,\d*\})")


@dataclass(frozen=True)
class LintFinding:
    """One thing to look at: in which case, by which check, where in it, and what."""

    case: str
    check: str
    where: str
    detail: str


def lint_suite(path: Path | None = None, *, run: bool = False) -> list[LintFinding]:
    """Everything odd in a suite (None: our own). With `run`, tests are tried with an empty answer, in boxes."""
    found = list(unique(read(path)))
    weights = {one.sample.checks["weight"] for one in found if one.sample is not None}
    findings = [finding for one in found for finding in lint_case(one, run=run)]
    if len(weights) > 1:
        findings.append(LintFinding("", "weight", "cases", f"weights from {min(weights)} to {max(weights)}"))
    return findings


def lint_case(loaded: Loaded, *, run: bool = False) -> list[LintFinding]:
    """What is odd in one question."""
    found = [(one.check, one.where, one.detail) for one in loaded.oddities]
    if loaded.rejection is not None:
        found.append(("rejected", loaded.rejection.reason, loaded.rejection.detail))
    if loaded.sample is not None:
        grading = Case.of(loaded.sample).grading
        found += [*_texts(grading), *_totals(grading), *_empty(grading, run), *_registered(grading)]
    return [LintFinding(loaded.id, *one) for one in dict.fromkeys(found)]


Found = Iterator[tuple[str, str, str]]


def _texts(grading: Grading) -> Found:
    for index, rule in enumerate(grading.keywords.rules if grading.keywords else ()):
        where = f"keywords[{index}]"
        yield from _patterns(where, rule.node, rule)
        for text, is_pattern in rule.node.leaves(rule.regex):
            letters = sum(character.isalnum() for character in text)
            if not is_pattern and not rule.neg and letters < LEAST_LETTERS and not _is_conditional(rule):
                yield "short-keyword", where, repr(text)
    for index, target in enumerate(grading.blank_filling.targets if grading.blank_filling else ()):
        yield from _patterns(f"blank_filling.targets[{index}]", target.node, target)


def _is_conditional(rule: Rule) -> bool:
    return rule.condition is not None or rule.node.condition is not None


def _patterns(where: str, node: Node, owner: Rule | Target) -> Found:
    regex = owner.regex if isinstance(owner, Rule) else False
    for text, is_pattern in node.leaves(regex):
        if is_pattern and owner.to_lower and UPPER_ESCAPE.search(text):
            yield "lowered-escape", where, text
        if is_pattern and NESTED_REPEAT.search(text[:2000]):
            yield "slow-pattern", where, text


def _totals(grading: Grading) -> Found:
    total = grading.total("fixed")
    if grading.max_score is not None and grading.max_score > total and not grading.customized:
        yield "unreachable-points", "max_score", f"{grading.max_score:g} of which {total:g} can be got"
    if grading.min_score is not None and grading.min_score > 0:
        yield "empty-passes", "min_score", f"any answer gets {grading.min_score:g} points"


def _empty(grading: Grading, run: bool) -> Found:
    """Grade the empty answer as any other, metric by metric."""
    tests = grading.unit_test
    declared = Grading("weighted", grading.keywords, grading.blank_filling, None, grading.similarity)
    if declared.families and not (grading.keywords and grading.keywords.handler):
        try:
            for name, points in measure(declared, "", "paper").points.items():
                if points.points > 0:
                    yield "empty-passes", name, f"{points.points:g} of {points.total:g} points"
        except (UnmeasuredError, RefusedError) as error:
            yield "slow-pattern", "", str(error)
    if tests and run:
        yield from _passing_without(tests)


def _passing_without(tests: UnitTests) -> Found:
    for index, test in enumerate(tests.tests):
        where = f"unit_test.tests[{index}]"
        try:
            outcome = unit_test.grade(UnitTests(tests.language, (test,)), "", "paper").trace[0]
        except UnmeasuredError as error:
            yield "no-runtime", where, str(error)
            continue
        if outcome == "passed":
            yield "empty-passes", where, "passes without an answer"


def _registered(grading: Grading) -> Found:
    handler = grading.keywords.handler if grading.keywords else ""
    for name in (grading.customized, handler):
        if name and name not in CUSTOM:
            yield "not-registered", "customized" if name == grading.customized else "keywords", name
