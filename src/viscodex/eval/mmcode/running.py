"""A program in the sandbox: compiled once, then run or called once per test, each time from a fresh state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from viscodex.core.errors import VisCodexError
from viscodex.eval.mmcode import source_check
from viscodex.eval.mmcode.cases import Case, Cases
from viscodex.eval.mmcode.preamble import preamble
from viscodex.sandbox.box import Execution
from viscodex.sandbox.calls import call_once
from viscodex.sandbox.limits import GIB, MIB, Limits
from viscodex.sandbox.programs import Program, prepare
from viscodex.sandbox.whole_numbers import write_json

LIMITS = Limits(cpu_s=10.0, memory=1 * GIB, stdout=4 * MIB)
"""Of one test; the wall clock is a backstop at four times the CPU seconds."""

OPTIONS = ("-X", "int_max_str_digits=0")
"""Judges print integers of any length; Python's own ceiling is younger than the problems."""

LIMIT_REACHED = {"timeout": "out of time", "memory": "out of memory", "output_limit": "too much output"}
REASONS = {"error": "runtime_error", "timeout": "timeout", "memory": "memory", "output_limit": "output_limit"}


@dataclass(frozen=True)
class Ready:
    """A program that compiles, or the reason why there is none."""

    program: Program | None
    reason: str = ""
    detail: str = ""
    is_inert: bool = False
    """It is Python, but only by chance: a word, a JSON object."""


@dataclass(frozen=True)
class Run:
    """One test's run: what came out (a text, or the function's value), or the reason why nothing did."""

    output: Any = None
    reason: str = ""
    detail: str = ""


def compiled(code: str, cases: Cases, limits: Limits = LIMITS) -> Ready:
    """Compile a program in the box, and add the imports that it lacks."""
    program = prepare("python", code, limits_for(cases, limits))
    check = Path(source_check.__file__).read_bytes()
    execution = program.run_as(_command(program, "source_check.py"), files={"source_check.py": check}, channel=True)
    reason, detail = _failure(execution)
    if reason in ("timeout", "memory"):
        return Ready(None, reason, f"{detail} while it was compiled")
    if reason or not execution.channel:  # the compiler itself came down
        return Ready(None, "syntax_error", detail or "the compiler ended without a word")
    found = json.loads(execution.channel)
    if "error" in found:
        return Ready(None, "syntax_error", found["error"])
    imports = preamble(found["missing"])
    if not imports or found["line"] < 0:
        return Ready(program, is_inert=found["inert"])
    lines = code.split("\n")
    source = "\n".join([*lines[: found["line"]], imports, *lines[found["line"] :]])
    return Ready(prepare("python", source, limits_for(cases, limits)), is_inert=found["inert"])


def limits_for(cases: Cases, limits: Limits) -> Limits:
    """Room for twice the longest output that is expected, with four bytes a character."""
    written = (write_json(case.expected) if cases.is_call_based else case.expected for case in cases.tests)
    return replace(limits, stdout=max(limits.stdout, 2 * 4 * max(map(len, written), default=0)))


def runs(program: Program, cases: Cases) -> Iterator[Run]:
    """One run per test, in order. Lazy: whoever stops at the first wrong answer pays for no further run."""
    run = _called if cases.is_call_based else _piped
    for case in cases.tests:
        yield run(program, case, cases.function)


def _piped(program: Program, case: Case, _: str) -> Run:
    """Real stdin, real stdout; bytes that are no UTF-8 stay apart from every text that a test expects."""
    execution = program.run_as(_command(program, "main.py"), case.given.encode("utf-8", "surrogatepass"))
    return Run(execution.stdout.decode("utf-8", "surrogateescape"), *_failure(execution))


def _called(program: Program, case: Case, function: str) -> Run:
    """The function's value, from a fresh state."""
    call = call_once(program, function, case.given, OPTIONS)
    if call.status == "ok":
        return Run(call.value)
    reason, detail = _failure(call.execution)
    return Run(None, reason or "runtime_error", detail or "it ended without returning a value")


def _command(program: Program, file: str) -> tuple[str, ...]:
    return (*program.command[:-1], *OPTIONS, file)


def _failure(execution: Execution) -> tuple[str, str]:
    """Reason and detail of a run that did not end well. What the sandbox could not run is a fault of ours: raised."""
    if execution.ok:
        return "", ""
    said = execution.stderr.decode("utf-8", "replace").strip()
    if execution.status == "unavailable":
        raise VisCodexError("the sandbox could not run a program", where=said[-300:], hint="viscodex sandbox selftest")
    last = said.splitlines()[-1][:200] if said else f"exit code {execution.exit_code}"
    return REASONS[execution.status], last if execution.status == "error" else LIMIT_REACHED[execution.status]
