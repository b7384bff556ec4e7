"""Does the solution pass its own tests? Asked in the sandbox, by a verdict that the solution cannot write itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Sample
from viscodex.data.algorithm.settings import Settings
from viscodex.data.algorithm.suite import UnsupportedError, read_suite
from viscodex.model.fences import trimmed
from viscodex.runner.stage import Keep, Reject, Result
from viscodex.sandbox.box import Execution
from viscodex.sandbox.calls import call_once
from viscodex.sandbox.limits import MIB, Limits
from viscodex.sandbox.programs import Program, prepare
from viscodex.sandbox.verdict import Verdict, unit_tests
from viscodex.sandbox.whole_numbers import read_json

PYTEST = Path(__file__).with_name("boxed_pytest.py")
CLOSE = 1e-6
TESTS = "tests"


@dataclass(frozen=True)
class Verify:
    """Work of the stage `verify`: the response becomes a fenced block, `tests` their number."""

    cpu_s: float
    memory_mib: int
    most_tests: int

    @classmethod
    def of(cls, settings: Settings) -> Verify:
        return cls(settings.cpu_s, settings.memory_mib, settings.most_tests)

    def __call__(self, _: None, sample: Sample) -> Result[Sample]:
        tests = read_json(str(sample.checks[TESTS]))
        outcome = self._code(sample.response, tests["code"]) if "code" in tests else self._cases(sample.response, tests)
        if isinstance(outcome, Reject):
            return outcome
        code = trimmed(sample.response.replace("\r\n", "\n").split("\n"))
        checks = sample.checks | {TESTS: outcome, "tests_pass": True}
        return Keep(sample.model_copy(update={"response": f"```python\n{code}\n```", "checks": checks}))

    @property
    def limits(self) -> Limits:
        return Limits(cpu_s=self.cpu_s, memory=self.memory_mib * MIB)

    def _code(self, solution: str, code: str) -> int | Reject:
        try:
            suite = read_suite(code)
        except UnsupportedError as error:
            return Reject("tests_unsupported", str(error))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return Reject("tests_broken", f"{type(error).__name__}: {error}"[:300])
        if not suite.count:
            return Reject("no_tests", "no assertion and no test function")
        files = {"solution.py": solution.encode("utf-8", "surrogatepass"), "pytest.py": PYTEST.read_bytes()}
        (verdict,) = unit_tests("python", "", [suite.source], self.limits, files)
        if not verdict.passed:
            return _rejected(verdict)
        if suite.strangers and unit_tests("python", "", [suite.strangers], self.limits, files)[0].passed:
            return Reject("forged", "its answers equal an object that equals nothing")
        return suite.count

    def _cases(self, solution: str, tests: dict[str, Any]) -> int | Reject:
        """By value or by text: what is expected stays out here, so there is nothing to forge."""
        program = prepare("python", solution, self.limits)
        pairs = list(zip(tests["inputs"], tests["outputs"], strict=True))[: self.most_tests]
        for number, (given, expected) in enumerate(pairs, 1):
            right, execution = _answer(program, tests.get("fn_name", ""), given, expected)
            if execution.status != "ok":
                return _stopped(execution, f"test {number}: ")
            if not right:
                return Reject("tests_failed", f"test {number} of {len(pairs)} has another answer")
        return len(pairs)


def _answer(program: Program, function: str, given: Any, expected: Any) -> tuple[bool, Execution]:
    if function:
        call = call_once(program, function, given if isinstance(given, list) else [given])
        wrapped = isinstance(expected, list) and len(expected) == 1 and same(call.value, expected[0])
        return same(call.value, expected) or wrapped, call.execution
    execution = program.run(_text(given).encode())
    return same_text(execution.stdout.decode(errors="replace"), _text(expected)), execution


def _text(value: Any) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def same(actual: Any, expected: Any) -> bool:
    """Equal values; lists and tuples are one, fractions may differ by 1e-6."""
    if isinstance(expected, list | tuple):
        return isinstance(actual, list | tuple) and len(actual) == len(expected) and all(map(same, actual, expected))
    if isinstance(expected, float) and isinstance(actual, int | float) and not isinstance(actual, bool):
        return math.isclose(actual, expected, rel_tol=CLOSE, abs_tol=CLOSE) or actual == expected
    if isinstance(actual, bool) != isinstance(expected, bool):
        return False
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {str(k) for k in actual} == {str(k) for k in expected} and all(
            same(value, expected.get(str(key), expected.get(key))) for key, value in actual.items()
        )
    return bool(actual == expected)


def same_text(actual: str, expected: str) -> bool:
    """Equal words line by line, empty lines apart; words that are fractions may differ by 1e-6."""
    lines = [[line.split() for line in text.split("\n") if line.strip()] for text in (actual, expected)]
    return len(lines[0]) == len(lines[1]) and all(map(_same_words, *lines))


def _same_words(actual: Sequence[str], expected: Sequence[str]) -> bool:
    return len(actual) == len(expected) and all(map(_same_word, actual, expected))


def _same_word(actual: str, expected: str) -> bool:
    if actual == expected:
        return True
    try:
        return "." in expected and math.isclose(float(actual), float(expected), rel_tol=CLOSE, abs_tol=CLOSE)
    except ValueError:
        return False


def _rejected(verdict: Verdict) -> Reject:
    if verdict.outcome == "forged":
        return Reject("forged", verdict.reason)
    if verdict.outcome == "compile_error":
        return Reject("tests_broken", verdict.reason)
    return _stopped(verdict.execution, "", verdict.reason)


def _stopped(execution: Execution, place: str, reason: str = "") -> Reject:
    """Why a run did not end well; VisCodexError when it is the sandbox that did not."""
    if execution.status == "unavailable":
        raise VisCodexError("the sandbox cannot run Python", where=execution.stderr.decode(errors="replace")[:300])
    said = execution.stderr.decode(errors="replace").strip().splitlines()
    detail = f"{place}{reason or (said[-1] if said else f'exit code {execution.exit_code}')}"[:300]
    if execution.status in ("timeout", "memory", "output_limit"):
        return Reject(execution.status, detail)
    if "ModuleNotFoundError" in detail and "'solution'" not in detail:
        return Reject("missing_module", detail)
    return Reject("tests_failed", detail)
