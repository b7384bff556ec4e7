"""What a question must show before it is believed: the gates of InfiBench-V.

reference     gets everything on every metric that needs no judge
empty         gets nothing
wrong         at least two wrong answers are given, and none gets more than half
short-rule    no keyword of fewer than three letters or digits, no pattern that so little matches
stub          every unit test fails on an answer that has the names and does nothing
echo          who sees no picture and says the question again gets at most 0.4
lint          and nothing of what `lint.py` looks for
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from viscodex.core.errors import VisCodexError
from viscodex.core.infibench_v import SLOT, Record
from viscodex.core.sample import Sample
from viscodex.eval.infibench import records, runtimes, unit_test
from viscodex.eval.infibench.extraction import extract
from viscodex.eval.infibench.grading import Grading
from viscodex.eval.infibench.lint import LEAST_LETTERS, LintFinding, lint_case
from viscodex.eval.infibench.measure import measure, weighted
from viscodex.eval.infibench.points import Points, RefusedError, UnmeasuredError
from viscodex.eval.infibench.scorer import Case
from viscodex.model.fences import blocks

LEAST_WRONG = 2
MOST_WRONG = 0.5
MOST_ECHO = 0.4
BLANK = re.compile(r"\[blank\]")


@dataclass(frozen=True)
class Graded:
    """An answer's worth without a judge; `score` None: this machine cannot tell, `reason` says why."""

    score: float | None
    points: dict[str, Points]
    reason: str = ""

    @property
    def values(self) -> dict[str, float]:
        """By metric, in [0, 1]."""
        return {name: points.share for name, points in self.points.items()}


@dataclass(frozen=True)
class Gated:
    """What the gates found of a question; `unavailable`: the runtimes that are not here, so that nobody knows."""

    findings: tuple[LintFinding, ...]
    unavailable: tuple[str, ...] = ()
    answers: Mapping[str, Graded] = field(default_factory=dict)
    """What was tried: the reference, nothing, the wrong answers, the echoes."""


def grade(sample: Sample, answer: str) -> Graded:
    """One answer under `fixed`; what only a judge can say is left out of the mean."""
    if not answer.strip():
        return Graded(0.0, {})
    grading = Case.of(sample).grading
    try:
        found = measure(grading, answer, "fixed").points
    except UnmeasuredError as error:
        return Graded(None, {}, str(error))
    except RefusedError as error:
        return Graded(0.0, {}, str(error))
    if not found:
        return Graded(None, {}, "only a judge can tell")
    return Graded(weighted({name: points.share for name, points in found.items()}, grading.weights), dict(found))


def gate(record: Record, folder: Path) -> Gated:
    """Try a question on its own answers. What it runs, it runs in boxes."""
    loaded = records.load(record, folder)
    assert loaded.sample is not None  # records.load raises for what it cannot read
    sample, grading = loaded.sample, Case.of(loaded.sample).grading
    unavailable: list[str] = []
    tried: dict[str, Graded] = {}
    found = [(one.check, one.where, one.detail) for one in lint_case(loaded)]
    found += [*_short(grading), *_answers(record, sample, tried, unavailable), *_stub(record, grading, unavailable)]
    return Gated(tuple(LintFinding(record.id, *one) for one in found), tuple(dict.fromkeys(unavailable)), tried)


def trial(record: Record, folder: Path) -> dict[str, Any]:
    """The gates as plain data, for a person at a desk; a grading that cannot be used is one more finding."""
    try:
        gated = gate(record, folder)
    except VisCodexError as error:
        return {
            "passes": False,
            "answers": [],
            "unavailable": [],
            "findings": [_row("rejected", error.where, error.problem)],
        }
    answers = [{"name": name, "score": one.score, "detail": _shown(one)} for name, one in gated.answers.items()]
    findings = [_row(one.check, one.where, one.detail) for one in gated.findings]
    unavailable = list(gated.unavailable)
    return {"passes": not findings, "answers": answers, "unavailable": unavailable, "findings": findings}


def _row(check: str, where: str, detail: str) -> dict[str, str]:
    return {"check": check, "where": where, "detail": detail[:500]}


Found = Iterator[tuple[str, str, str]]


def _answers(record: Record, sample: Sample, tried: dict[str, Graded], unavailable: list[str]) -> Found:
    reference = tried["reference"] = grade(sample, record.reference_answer)
    if reference.score is None:
        unavailable.append(reference.reason)
        return
    if any(value < 1.0 for value in reference.values.values()) or not reference.values:
        yield "reference", "reference_answer", _shown(reference)
    tried["nothing"] = grade(sample, "")
    if tried["nothing"].score:
        yield "empty", "", "nothing is worth something"
    if len(set(record.wrong_answers)) < LEAST_WRONG:
        yield "wrong", "wrong_answers", f"{len(set(record.wrong_answers))} of them; {LEAST_WRONG} are needed"
    for index, answer in enumerate(record.wrong_answers):
        wrong = tried[f"wrong answer {index + 1}"] = grade(sample, answer)
        if wrong.score is None or wrong.score > MOST_WRONG:
            yield "wrong", f"wrong_answers[{index}]", _shown(wrong)
    for name, answer in _distinct(sample, echoes(record)).items():
        echo = tried[f"echo: {name}"] = grade(sample, answer)
        if echo.score is None or echo.score > MOST_ECHO:
            yield "echo", name, _shown(echo)


def _distinct(sample: Sample, answers: Mapping[str, str]) -> Mapping[str, str]:
    """Where only tests count, answers with the same code are the same answer."""
    grading = Case.of(sample).grading
    if grading.families != ("unit_test",) or grading.unit_test is None:
        return answers
    by_code = {extract(answer, grading.unit_test.language, "fixed"): name for name, answer in answers.items()}
    return {name: answers[name] for name in by_code.values()}


def echoes(record: Record) -> dict[str, str]:
    """What a solver says that has read the question, seen nothing, and has no idea."""
    text = SLOT.sub("", record.question)
    code = [block.text for block in blocks(text)]
    found = {
        "the question": text,
        "the question, fenced": f"```\n{text}\n```",
        "the question twice, as prose and as code": f"{text}\n\n```\n{text}\n```",
    }
    if code:
        words = iter(re.findall(r"[A-Za-z_][\w-]{2,}", text))
        found["its code"] = _fenced(code)
        found["its code, blanks left out"] = _fenced([BLANK.sub("", one) for one in code])
        found["its code, blanks filled with its words"] = _fenced(
            [BLANK.sub(lambda _: next(words, ""), one) for one in code]
        )
    return found


def _fenced(code: list[str]) -> str:
    return "\n\n".join(f"```\n{one}\n```" for one in code)


def _short(grading: Grading) -> Found:
    """Of patterns, the shortest text counts that they match; keywords are the linter's."""
    for index, rule in enumerate(grading.keywords.rules if grading.keywords else ()):
        for text, is_pattern in rule.node.leaves(rule.regex):
            if is_pattern and _parser.parse(text).getwidth()[0] < LEAST_LETTERS:
                yield "short-rule", f"keywords[{index}]", repr(text)


def _stub(record: Record, grading: Grading, unavailable: list[str]) -> Found:
    tests = grading.unit_test
    if tests is None:
        return
    if not record.stub:
        yield "stub", "stub", "unit tests, and no stub to try them on"
        return
    for index, test in enumerate(tests.tests):
        where = f"unit_test.tests[{index}]"
        try:
            runtimes.require(tests.language, f"{test.before}\n{test.prefix}\n{test.content}")
            outcome = unit_test.run(tests.language, test, record.stub)
        except UnmeasuredError as error:
            unavailable.append(str(error))
            return
        if outcome != "failed":  # a stub that does not compile shows nothing
            yield "stub", where, f"on the stub: {outcome}"


def _shown(graded: Graded) -> str:
    if graded.score is None:
        return graded.reason
    traces = (f"{name} {points.share:.2f} ({', '.join(points.trace)})" for name, points in graded.points.items())
    return f"{graded.score:.2f}: {'; '.join(traces)}"
