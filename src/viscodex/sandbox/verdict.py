"""Did a unit test pass? A verdict that the program under test cannot give itself.

Program and test share one process, so the program can do whatever the test can. Three things stand in its way:

* A pass is a nonce on a private channel, written by the last statement of the test, and exit code 0. `exit(0)`,
  `os._exit(0)`, printing PASSED, rubbish on every descriptor reach no pass, and the nonce is new for every run.
* What passes is run again as its *doomed twin*: the same source with a statement before the last one that must fail.
  A program that finds the nonce (in its source, in a frame, in /proc), or that disarms assertions, passes its twin too,
  and is thereby `forged`. An honest program cannot pass: the failing statement stands before the only report.
* For Python, checks that the test uses get a twin each (`assert`, unittest, numpy.testing), and one in which what a
  top-level `assert x == y` compares with is replaced by an object that equals nothing: answers that equal everything
  pass that.

Not covered: a program that reads the test and decides by its text. Where the expected values can stay outside, as with
stdin and stdout or function calls (calls.py), they do, and there is nothing to forge.
"""

from __future__ import annotations

import ast
import random
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from viscodex.core.errors import VisCodexError
from viscodex.sandbox.backends import Backend
from viscodex.sandbox.box import Execution
from viscodex.sandbox.languages import Language, VerdictText
from viscodex.sandbox.limits import Limits
from viscodex.sandbox.profiles import profiles
from viscodex.sandbox.programs import prepare

MARK = "@verdict@"
"""A test may say where its report belongs; else it goes to the end of the file, or of `main`."""

Outcome = Literal["passed", "failed", "forged", "compile_error", "timeout", "memory", "output_limit", "unavailable"]


@dataclass(frozen=True)
class Verdict:
    """What a unit test said, with the run it is based on."""

    outcome: Outcome
    execution: Execution
    reason: str = ""

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"


@dataclass(frozen=True)
class Bench:
    """What all runs of a test have in common."""

    language: Language
    limits: Limits | None = None
    files: Mapping[str, bytes] | None = None
    backend: Backend | None = None
    unsafe_local: bool = False

    def run(self, source: str, nonce: str) -> Verdict:
        """Run one source; it passes with exit code 0 and exactly this nonce on its channel."""
        program = prepare(
            self.language.name, source, self.limits, self.files, backend=self.backend, unsafe_local=self.unsafe_local
        )
        execution = program.run(channel=True)
        if program.readiness == "compile_error":
            return Verdict("compile_error", execution, _last_line(execution))
        if execution.status in ("timeout", "memory", "output_limit", "unavailable"):
            return Verdict(execution.status, execution, _last_line(execution))
        if execution.status == "ok" and execution.channel == nonce.encode():
            return Verdict("passed", execution)
        ended_early = "the test's end was not reached, though the exit code is 0"
        return Verdict("failed", execution, ended_early if execution.ok else _last_line(execution))


def unit_tests(
    language: str,
    code: str,
    tests: Sequence[str],
    limits: Limits | None = None,
    files: Mapping[str, bytes] | None = None,
    *,
    backend: Backend | None = None,
    unsafe_local: bool = False,
) -> list[Verdict]:
    """A verdict per test: each is run with the code in a box of its own, and if it passes, as its doomed twins."""
    found = profiles(language)[0]
    if found.verdict is None:
        raise VisCodexError(f"unit tests in {found.name} are not offered", hint="compare its output instead")
    bench = Bench(found, limits, files, backend, unsafe_local)
    return [_judge(bench, found.verdict, code, test) for test in tests]


def _judge(bench: Bench, text: VerdictText, code: str, test: str) -> Verdict:
    nonce = secrets.token_hex(16)
    verdict = bench.run(compose(text, code, test, _report(text, nonce)), nonce)
    if not verdict.passed:
        return verdict
    for reason, twin in _twins(bench.language, text, code, test, nonce := secrets.token_hex(16)):
        if bench.run(twin, nonce).passed:
            return Verdict("forged", verdict.execution, reason)
    return verdict


def _twins(language: Language, text: VerdictText, code: str, test: str, nonce: str) -> Iterator[tuple[str, str]]:
    """Sources that no honest program can pass, each with what passing it proves."""
    fails = _python_failures(test) if language.name == "python" else [text.fail]
    for fail in fails:
        yield (
            f"it passes where {fail!r} precedes the report",
            compose(text, code, test, f"{fail}\n{_report(text, nonce)}"),
        )
    if language.name == "python" and (estranged := _estranged(test)) is not None:
        yield "its answer equals an object that equals nothing", compose(text, code, estranged, _report(text, nonce))


def _report(text: VerdictText, nonce: str) -> str:
    return text.report.replace("{nonce}", nonce)


def compose(text: VerdictText, code: str, test: str, statements: str) -> str:
    """One source: header, code, test, with the statements at the mark, at the end of `main`, or at the end."""
    if MARK in test:
        source = f"{code}\n{test.replace(MARK, statements)}\n"
    elif text.in_main:
        source = f"{code}\n{test}\n"
        place = end_of_main(source, text.main)
        source = f"{source[:place]}\n{statements}\n{source[place:]}"
    else:
        source = f"{code}\n{test}\n{statements}\n"
    if text.header.startswith("import"):  # Go: after the package clause
        return re.sub(r"^(\s*package\s+\w+)", rf"\1\n{text.header}", source, count=1, flags=re.MULTILINE)
    return f"{text.header}\n{source}" if text.header else source


_TOKENS = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`[^`]*`|[{}]", re.DOTALL)


def end_of_main(source: str, name: str = "main") -> int:
    """The index of the brace that closes the last `main`, or of the `return` right before it; brace languages only."""
    mains = list(re.finditer(rf"\b{name}\s*\(", source))
    if not mains:
        raise VisCodexError(f"the unit test has no {name} and no place for its verdict", hint=f"put {MARK} at its end")
    depth = 0
    for token in _TOKENS.finditer(source, mains[-1].end()):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if token[0] == "}" and depth == 0:
            trailing = re.search(r"\breturn\b[^;{}]*;\s*$", source[: token.start()])
            return trailing.start() if trailing else token.start()
    raise VisCodexError("the unit test's main does not end", hint=f"put {MARK} where its verdict belongs")


def _python_failures(test: str) -> list[str]:
    """A failing statement for every kind of check that the test uses; they look like checks of the test's own."""
    left, right = random.sample(range(2, 1000), 2)
    failures = [f"assert {left} == {right}"]
    if re.search(r"unittest|\.assert[A-Z]\w+\(", test):
        failures.append(f"__import__('unittest').TestCase().assertEqual({left}, {right})")
        failures.append("__import__('unittest').TestCase().assertTrue(False)")
    if re.search(r"\btesting\b|assert_(?:array_)?(?:almost_)?equal|assert_allclose", test):
        failures.append(f"__import__('numpy').testing.assert_equal({left}, {right})")
        failures.append(f"__import__('numpy').testing.assert_allclose({left}, {right})")
    return failures


def _estranged(test: str) -> str | None:
    """The test with the last top-level `assert x == y` comparing x to an object that equals nothing.

    Only a statement that is reached whenever the test's end is reached will do, so that an honest program must fail.
    """
    try:
        tree = ast.parse(test)
    except SyntaxError:
        return None
    return ast.unparse(tree) if estrange(tree.body) else None


def estrange(statements: Sequence[ast.stmt]) -> bool:
    """Make the last `assert x == y` of these compare x to an object that equals nothing; whether there was one."""
    for statement in reversed(statements):
        if isinstance(statement, ast.Assert) and isinstance(statement.test, ast.Compare):
            comparison = statement.test
            if len(comparison.ops) == 1 and isinstance(comparison.ops[0], ast.Eq):
                stranger = ast.parse("object()", mode="eval").body
                if isinstance(comparison.left, ast.Constant):
                    comparison.left = stranger
                else:
                    comparison.comparators = [stranger]
                return True
    return False


def _last_line(execution: Execution) -> str:
    lines = execution.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else f"exit code {execution.exit_code}"
