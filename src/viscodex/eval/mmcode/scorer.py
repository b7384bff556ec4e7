"""One answer, run once, judged by both comparators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Outcome, Rules, Score, Status
from viscodex.eval.mmcode import fixed, paper
from viscodex.eval.mmcode.cases import Case, Cases, read_cases, with_int_keys
from viscodex.eval.mmcode.extraction import Extracted, extract_program
from viscodex.eval.mmcode.running import LIMITS, Run, compiled, runs
from viscodex.model.generate import Completion
from viscodex.sandbox import backends
from viscodex.sandbox.limits import MIB, Limits
from viscodex.sandbox.programs import prepare, toolchain
from viscodex.sandbox.whole_numbers import shown

PROTOCOLS: tuple[Rules, ...] = ("fixed", "paper")
SHOWN = 80
"""Characters of a value in a detail."""


@dataclass
class Verdict:
    """What one protocol has seen of the tests so far. The protocols share the runs, never a verdict."""

    protocol: Rules
    cases: Cases
    statuses: list[str] = field(default_factory=list)
    reason: str = ""
    detail: str = ""
    failed_test: int | None = None

    def see(self, case: Case, run: Run) -> None:
        """Judge one more test; the first that fails gives the reason."""
        reason = run.reason or ("" if self._accepts(case, run.output) else "wrong_answer")
        if reason and not self.reason:
            self.reason, self.failed_test = reason, len(self.statuses)
            self.detail = f"test {self.failed_test}: {run.detail or _difference(case, run)}"
        self.statuses.append(reason or "ok")

    def _accepts(self, case: Case, output: Any) -> bool:
        if not self.cases.is_call_based:
            return COMPARATORS[self.protocol](case.expected, output)
        if self.protocol == "paper":
            return paper.same_value(case.expected, output)
        unwrapped = map(with_int_keys, case.expected) if self.cases.is_wrapped else ()
        return any(fixed.same_value(value, output) for value in (case.expected, *unwrapped))


COMPARATORS: Mapping[str, Callable[[str, str], bool]] = {"fixed": fixed.same_text, "paper": paper.same_text}


@dataclass
class MMCodeScorer:
    """Runs programs in the sandbox. With `all_tests`, a program is run on every test, passed or not."""

    all_tests: bool = False
    limits: Limits = LIMITS
    environment: Mapping[str, str] = field(init=False)
    """Python and numpy as programs find them, what holds them, and their limits."""

    def __post_init__(self) -> None:
        found = prepare("python", "import numpy; print(numpy.__version__)").run()
        self.environment = {
            "python": toolchain("python", backends.best()).version,
            "numpy": found.stdout.decode().strip() if found.ok else "none",
            "sandbox": backends.best(),
            "limits": f"{self.limits.cpu_s:g} s CPU a test, {self.limits.memory // MIB} MiB",
        }

    def score(self, sample: Sample, completion: Completion) -> Outcome:
        """Two scores of one answer, `fixed` and `paper`."""
        found = extract_program(completion.text or completion.code)
        cases = read_cases(sample.checks["input_output"])
        evidence = {
            "tests": len(cases.tests),
            "found": found.found,
            "empty": found.found == "nothing",
            "no_code": found.found in ("whole", "nothing"),
            "truncated": found.is_truncated or completion.finish == "length",
        }
        verdicts = self._verdicts(found, cases)
        return Outcome(tuple(_score(verdict, sample.id, completion.index, evidence) for verdict in verdicts))

    def close(self) -> None:
        """Nothing is kept between answers."""

    def _verdicts(self, found: Extracted, cases: Cases) -> list[Verdict]:
        if not found.code.strip():
            return _both(cases, "no_code", "the answer holds no program")
        ready = compiled(found.code, cases, self.limits)
        if found.found == "whole" and (ready.is_inert or ready.reason == "syntax_error"):
            return _both(cases, "no_code", ready.detail or "the answer holds no program")
        if ready.program is None:
            return _both(cases, ready.reason, ready.detail)
        if not cases.tests:
            return _both(cases, "no_tests", "the problem has no tests")
        verdicts = [Verdict(protocol, cases) for protocol in PROTOCOLS]
        for case, run in zip(cases.tests, runs(ready.program, cases), strict=True):
            open_ones = [verdict for verdict in verdicts if self.all_tests or not verdict.reason]
            for verdict in open_ones:
                verdict.see(case, run)
            if not self.all_tests and all(verdict.reason for verdict in verdicts):
                break
        return verdicts


def _both(cases: Cases, reason: str, detail: str) -> list[Verdict]:
    return [Verdict(protocol, cases, reason=reason, detail=detail) for protocol in PROTOCOLS]


def _score(verdict: Verdict, sample_id: str, index: int, evidence: Mapping[str, Any]) -> Score:
    status, passed = _outcome(verdict)
    seen = {"failed_test": verdict.failed_test, "statuses": verdict.statuses}
    return Score(
        sample_id=sample_id,
        index=index,
        protocol=verdict.protocol,
        status=status,
        values={"passed": passed},
        reason=verdict.reason,
        detail=_printable(verdict.detail),
        evidence={**evidence, **seen},
    )


def _outcome(verdict: Verdict) -> tuple[Status, float | None]:
    """A wrong answer ran, so it is scored. Without tests `paper` lets every program pass, and `fixed` knows nothing."""
    if verdict.reason == "no_tests":
        return ("scored", 1.0) if verdict.protocol == "paper" else ("unscored", None)
    if verdict.reason in ("", "wrong_answer"):
        return "scored", 0.0 if verdict.reason else 1.0
    return "failed", 0.0


def _difference(case: Case, run: Run) -> str:
    return f"expected {_short(case.expected)}, got {_short(run.output)}"


def _short(value: Any) -> str:
    text = shown(value[: SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _printable(text: str) -> str:
    """Without halves of surrogate pairs, which no UTF-8 file can hold."""
    return text.encode("utf-8", "backslashreplace").decode()
