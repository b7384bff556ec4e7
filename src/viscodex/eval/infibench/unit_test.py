"""Unit tests: the answer's code and a test, run together in a box.

paper   one program (preamble, prefix file, code, test) passes with exit code 0; type errors of TypeScript are passed
        over; `prefix` stands before the raw answer, and is lost when the answer has a fence.
fixed   a verdict of `viscodex.sandbox.verdict`: compiled first, exit code 0 and a nonce from the test's last statement,
        and doomed twins; `prefix` stands before the code.

A runtime, or a package of the test's own, that is not on this machine makes the metric unavailable: unscored, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.eval.benchmark import Rules
from viscodex.eval.infibench import runtimes
from viscodex.eval.infibench.extraction import extract
from viscodex.eval.infibench.points import Points, UnmeasuredError
from viscodex.eval.infibench.preambles import opened, preamble
from viscodex.eval.infibench.reading import GradingError, Reader
from viscodex.sandbox.limits import Limits
from viscodex.sandbox.profiles import profiles
from viscodex.sandbox.verdict import MARK, end_of_main, unit_tests

TEST_KEYS = ("path", "content", "prefix", "prefix_path", "cleanup_path", "weight", "timeout", "only_longest")
TIMEOUT_S = 10.0
LONGEST_TIMEOUT_S = 60.0
LONGEST_MAIN = 20_000
"""Characters of an answer that must bring its own `main`; finding its end takes quadratic time at worst."""


@dataclass(frozen=True)
class UnitTest:
    """One test: `before` stands before the code, `prefix` before the answer. Cleaning up is the box's own work."""

    content: str
    before: str = ""
    prefix: str = ""
    weight: float = 1.0
    timeout_s: float = TIMEOUT_S
    only_longest: bool = False

    @property
    def limits(self) -> Limits:
        return Limits(cpu_s=self.timeout_s)


@dataclass(frozen=True)
class UnitTests:
    language: str
    """A language of `viscodex.sandbox`, by its one name; or, where it knows none, as the case says it."""
    tests: tuple[UnitTest, ...]

    def total(self) -> float:
        return sum(test.weight for test in self.tests)


def grade(spec: UnitTests, answer: str, protocol: Rules) -> Points:
    """Run every test. Raises UnmeasuredError when one of them cannot be run here."""
    points, trace = 0.0, []
    for test in spec.tests:
        runtimes.require(spec.language, f"{test.before}\n{test.prefix}\n{test.content}")
        outcome = _published(spec.language, test, answer) if protocol == "paper" else run(spec.language, test, answer)
        points += test.weight if outcome == "passed" else 0.0
        trace.append(outcome)
    return Points(points, spec.total(), tuple(trace))


def run(language: str, test: UnitTest, answer: str) -> str:
    """The verdict on one test, in a word."""
    code = extract(answer, language, "fixed", only_longest=test.only_longest)
    program = "\n".join(filter(None, (test.before, test.prefix, code)))
    source = opened(language, preamble(language, program), program)
    text = test.content
    verdict_text = profiles(language)[0].verdict
    if verdict_text is None:
        raise UnmeasuredError("no_unit_tests", f"unit tests in {language} are not offered")
    if verdict_text.in_main and MARK not in text:
        try:
            source, text = _marked(source, text, verdict_text.main)
        except VisCodexError:  # no `main` anywhere, or one that does not end
            return "compile_error"
    (verdict,) = unit_tests(language, source, [text], test.limits)
    if verdict.outcome == "unavailable":
        raise UnmeasuredError("runtime", verdict.reason or language)
    return verdict.outcome


def _marked(source: str, test: str, main: str) -> tuple[str, str]:
    """The test with a mark at the end of its `main`; where it has none, the answer's own, moved into the test.

    Done here, so that the answer cannot have the report put elsewhere: with a `main` of its own, or with the mark.
    """
    try:
        place = end_of_main(test, main)
    except VisCodexError:
        if len(source) > LONGEST_MAIN:
            raise
        source, test = "", f"{source.replace(MARK, '')}\n{test}"
        place = end_of_main(test, main)
    return source, f"{test[:place]}\n{MARK}\n{test[place:]}"


def _published(language: str, test: UnitTest, answer: str) -> str:
    raw = f"{test.prefix}\n{answer}" if test.prefix else answer
    code = extract(raw, language, "paper", only_longest=test.only_longest)
    program = f"{test.before}\n{code}" if test.before else code
    source = opened(language, preamble(language, program), program)
    text = test.content.replace(MARK, "")
    execution = runtimes.run(language, f"{source}\n{text}\n", test.limits)
    if execution.status == "unavailable":
        raise UnmeasuredError("runtime", execution.stderr.decode(errors="replace")[-200:])
    return "passed" if execution.ok else "failed" if execution.status == "error" else execution.status


def read(reader: Reader, value: Any, where: str, language: str) -> UnitTests:
    """`language` is the case's own, where the tests name none."""
    known = reader.mapping(value, where, ("lang", "tests"))
    named = reader.text(known["lang"], f"{where}.lang") if known.get("lang") is not None else language
    items = enumerate(reader.items(known.get("tests"), f"{where}.tests"))
    tests = tuple(_read_test(reader, item, f"{where}.tests[{index}]") for index, item in items)
    try:
        return UnitTests(profiles(named)[0].name, tests)
    except UsageError:
        reader.note("no-runtime", where, f'unit tests in "{named}" cannot be run')
        return UnitTests(named, tests)


def _read_test(reader: Reader, item: Any, where: str) -> UnitTest:
    if not isinstance(item, Mapping):
        text = reader.text(item, where)
        return UnitTest(reader.files.get(text, text))
    known = reader.mapping(item, where, TEST_KEYS)
    if (known.get("path") is None) == (known.get("content") is None):
        raise GradingError("a test has either a path or content", where)
    given = {key for key in TEST_KEYS if known.get(key) is not None}
    content = reader.file(known["path"], f"{where}.path") if "path" in given else reader.text(known["content"], where)
    timeout = reader.number(known["timeout"], f"{where}.timeout") if "timeout" in given else TIMEOUT_S
    if not 0 < timeout <= LONGEST_TIMEOUT_S:
        raise GradingError(f"a timeout of {timeout} seconds; above 0, at most {LONGEST_TIMEOUT_S}", where)
    return UnitTest(
        content,
        reader.file(known["prefix_path"], f"{where}.prefix_path") if "prefix_path" in given else "",
        reader.text(known["prefix"], f"{where}.prefix") if "prefix" in given else "",
        reader.number(known["weight"], f"{where}.weight") if "weight" in given else 1.0,
        timeout,
        reader.flag(known["only_longest"], f"{where}.only_longest") if "only_longest" in given else False,
    )
