"""A row as a problem: question, program, tests; whatever the columns are called and in whatever form tests come."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from viscodex.data.algorithm.settings import Columns
from viscodex.data.rows import Row
from viscodex.model.extract import extract
from viscodex.runner.stage import Reject
from viscodex.sandbox.whole_numbers import read_json, write_json

QUESTION = ("question", "prompt", "text", "description", "problem_description")
SOLUTION = ("solution", "code", "canonical_solution", "solutions")
TESTS = ("test_code", "test", "tests", "test_list", "input_output", "public_tests")
ID = ("question_id", "conversation_id", "task_id", "problem_id", "id")
LICENCE = ("license", "licence")
STYLES = {"I": "instruct", "C": "complete", "O": "online_judge"}
KODCODE = "CC BY-NC 4.0"
COMPLETE = "Complete this Python function:"


@dataclass(frozen=True)
class Problem:
    """`tests` is JSON: {"code": …} for Python, {"inputs", "outputs", "fn_name"?} for values or texts."""

    key: str
    question: str
    solution: str
    tests: str
    subset: str = ""
    style: str = ""
    difficulty: str = ""
    licence: str = ""
    passed: bool | None = None
    """What the source says; None when it says nothing."""


def read_problem(row: Row, key: str, columns: Columns) -> Problem | Reject:
    """`key` names rows that have no name of their own."""
    question = _first(row, columns.question, QUESTION)
    solution = _solution(_first(row, columns.solution, SOLUTION))
    tests = _tests(_first(row, columns.tests, TESTS), row)
    for name, value in (("question", question), ("solution", solution), ("tests", tests)):
        if not isinstance(value, str) or not value.strip():
            return Reject(f"no_{name}", f"no {name} in the columns {', '.join(map(str, row))}"[:300])
    assert isinstance(question, str) and isinstance(solution, str) and isinstance(tests, str)
    name = str(_first(row, columns.id, ID) or key)
    style = _style(row, name)
    is_kodcode = "question_id" in row and "subset" in row
    return Problem(
        key=name,
        question=_asked(question, style, solution, row),
        solution=solution,
        tests=tests,
        subset=str(row.get("subset") or ""),
        style=style,
        difficulty=str(row.get("gpt_difficulty") or row.get("difficulty") or "").lower(),
        licence=str(_first(row, columns.licence, LICENCE) or (KODCODE if is_kodcode else "")),
        passed=_passed(row),
    )


def _first(row: Row, named: str, usual: Sequence[str]) -> Any:
    return row.get(named) if named else next((row[name] for name in usual if row.get(name)), None)


def _solution(value: Any) -> Any:
    """A program; of several the first; a fenced one without its fence."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if isinstance(value, list):
        value = next((item for item in value if isinstance(item, str)), None)
    if isinstance(value, str) and "```" in value:
        return extract(value, "algorithm")
    return value


def _tests(value: Any, row: Row) -> str | None:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = read_json(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, Mapping):
        return _cases(value, row)
    if isinstance(value, list):
        setup = row.get("test_setup_code") or "\n".join(map(str, row.get("test_imports") or []))
        value = "\n".join([str(setup), *(item for item in value if isinstance(item, str))])
    if not isinstance(value, str) or not value.strip():
        return None
    entry = row.get("entry_point")
    if isinstance(entry, str) and re.search(r"^def check\(", value, re.MULTILINE):
        value = f"{value}\n\ncheck({entry})\n"
    return json.dumps({"code": value})


def _cases(value: Mapping[str, Any], row: Row) -> str | None:
    """`inputs` and `outputs` (APPS, TACO, MMCode), or `input` and `output` (Code Contests)."""
    inputs, outputs = (value.get(name) or value.get(name[:-1]) for name in ("inputs", "outputs"))
    if not isinstance(inputs, list) or not isinstance(outputs, list) or not inputs or len(inputs) != len(outputs):
        return None
    name = value.get("fn_name") or row.get("fn_name")
    return write_json({"inputs": inputs, "outputs": outputs} | ({"fn_name": name} if isinstance(name, str) else {}))


def _style(row: Row, name: str) -> str:
    """KodCode's ids end in the style's letter."""
    letter = re.search(r"_([ICO])$", name)
    return STYLES[letter[1]] if letter else str(row.get("style") or "")


def _passed(row: Row) -> bool | None:
    if isinstance(row.get("r1_correctness"), str):
        return str(row["r1_correctness"]).lower() == "true"
    share = row.get("gpt_pass_percentage")
    return share > 0 if isinstance(share, int | float) and not isinstance(share, bool) else None


def _asked(question: str, style: str, solution: str, row: Row) -> str:
    """The question as it is put to a model: a stub with a sentence, the function's head where tests need it."""
    text = question.strip()
    if style == "complete" and "```" not in text and _is_python(text):
        return f"{COMPLETE}\n\n```python\n{text}\n```"
    head = _declaration(row, solution)
    name = re.search(r"def (\w+)", head)
    if name and not re.search(rf"\b{name[1]}\b", text):
        return f"{text}\n\nUse this function head:\n\n```python\n{head}\n```"
    return text


def _declaration(row: Row, solution: str) -> str:
    """The head of the function that the tests call, as the row or else the solution has it; "" for programs."""
    for info in row.get("test_info") or []:
        if isinstance(info, Mapping) and str(info.get("function_declaration") or "").startswith("def "):
            return str(info["function_declaration"]).strip()
    called = re.search(
        r"from solution import (\w+)\s*$", str(row.get("test_code") or row.get("test") or ""), re.MULTILINE
    )
    if not called:
        return ""
    head = re.search(rf"^def {called[1]}\([^)]*\)[^:\n]*:", solution, re.MULTILINE)
    return head[0] if head else ""


def _is_python(text: str) -> bool:
    try:
        return bool(ast.parse(text).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
