"""From MMCode's rows to samples: the prompt with its pictures, a reference solution, the tests as they came."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from viscodex.core.sample import Rejection, Sample, Source
from viscodex.eval.benchmark import Suite
from viscodex.eval.mmcode.cases import Cases, read_cases
from viscodex.eval.mmcode.files import Row, read_rows
from viscodex.eval.mmcode.prompt import Interleaved, interleave, prompt, template
from viscodex.sandbox.whole_numbers import read_json, write_json

BUNDLED = Path(__file__).parent / "bundled"
FULL_SIZE = 263
SPLIT = "test"
"""The published files hold 3,285 more problems under `extra`: no part of the benchmark, and passed over."""


def load(path: Path | None) -> Suite:
    """Problems from the published files, or the bundled ones. What cannot be read is rejected, with the reason."""
    samples: dict[str, Sample] = {}
    rejected = []
    for row in read_rows(path or BUNDLED):
        if row.fields.get("data_split") not in (None, "", SPLIT):
            continue
        made = _sample(row)
        if isinstance(made, Sample) and made.id in samples:
            made = Rejection(id=made.id, stage="load", reason="duplicate", detail=f"{row.place} has this id again")
        if isinstance(made, Sample):
            samples[made.id] = made
        else:
            rejected.append(made)
    full = FULL_SIZE if path else len(samples)
    return Suite(tuple(samples.values()), tuple(rejected), str(path) if path else "bundled", full)


def _sample(row: Row) -> Sample | Rejection:
    identity = str(row.fields.get("problem_id") or row.place)
    if row.problem:
        return Rejection(id=identity, stage="load", reason="unreadable", detail=f"{row.place}: {row.problem}"[:500])
    question = row.fields.get("question")
    if not isinstance(question, str) or not question.strip():
        return Rejection(id=identity, stage="load", reason="no_question", detail=row.place)
    try:
        tests = _as_text(row.fields.get("input_output"))
        cases = read_cases(tests)
    except (ValueError, TypeError, RecursionError) as error:
        return Rejection(id=identity, stage="load", reason="bad_tests", detail=f"{row.place}: {error}"[:500])
    parts = interleave(question, row.images)
    return Sample(
        id=identity,
        kind="algorithm",
        prompt=prompt(parts, cases.function, str(row.fields.get("starter_code") or "")),
        response=_response(row.fields.get("solutions")),
        checks={"input_output": tests} | _checks(row.fields, cases, parts),
        source=Source(url=str(row.fields.get("url") or ""), author=str(row.fields.get("source") or "")),
    )


def _as_text(tests: Any) -> str:
    """The tests as JSON text: integer keys and long integers survive every file in between."""
    if isinstance(tests, bytes):
        return tests.decode()
    return tests if isinstance(tests, str) else write_json(tests)


def _checks(fields: Mapping[str, Any], cases: Cases, parts: Interleaved) -> dict[str, Any]:
    return {
        "form": "call-based" if cases.is_call_based else "stdio",
        "tests": len(cases.tests),
        "tests_dropped": cases.dropped,
        "images_missing": parts.missing,
        "images_extra": parts.extra,
        "prompt": template().version,
        "name": str(fields.get("name") or ""),
        "origin": str(fields.get("source") or ""),
        "difficulty": str(fields.get("difficulty") or ""),
        "image_tags": _tags(fields.get("image_tags")),
    }


def _tags(value: Any) -> list[str]:
    if isinstance(value, str):
        value = value.split(",")
    return sorted({str(tag).strip() for tag in value} - {""}) if isinstance(value, list) else []


def _response(solutions: Any) -> str:
    """The first solution that is Python 3 (some are older), as an answer; "" where there is none."""
    if isinstance(solutions, str):
        try:
            parsed = read_json(solutions)
        except ValueError:
            parsed = None
        solutions = parsed if isinstance(parsed, list) else [solutions]
    texts = [text for text in solutions or () if isinstance(text, str) and text.strip()]
    if not texts:
        return ""
    code = next(filter(_parses, texts), texts[0])
    fence = "```"
    while fence in code:
        fence += "`"
    return f"{fence}python\n{code.rstrip()}\n{fence}"


def _parses(code: str) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"):
            ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def groups(sample: Sample) -> dict[str, str | Sequence[str]]:
    """Breakdowns; a problem may have several image tags."""
    names = {"form": "form", "origin": "origin", "difficulty": "difficulty", "image tag": "image_tags"}
    return {group: sample.checks[name] for group, name in names.items() if sample.checks.get(name)}
