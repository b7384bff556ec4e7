"""Test sets of the worlds, in the files that the four benchmarks read."""

from __future__ import annotations

import ast
import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from viscodex.core.rundir import publish, remove_tree
from viscodex.pocket.pictures import pictures
from viscodex.pocket.samples import question, starter
from viscodex.pocket.worlds import Kind, Problem, Split, draw

SIZES: Mapping[Kind, int] = {"chart": 200, "page": 100, "algorithm": 100, "question": 50}
BENCHMARKS: Mapping[Kind, str] = {
    "chart": "chartmimic",
    "page": "design2code",
    "algorithm": "mmcode",
    "question": "infibench",
}


def write_test_sets(
    folder: Path,
    sizes: Mapping[Kind, int] = SIZES,
    *,
    split: Split = "test",
    first: int = 0,
    workers: int = 2,
    cache: Path | None = None,
) -> dict[str, Path]:
    """One test set a benchmark; benchmark → the path that `viscodex eval` takes.

    `first`: the number of the first problem drawn, so that a set to choose by shares nothing with the one to report.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    remove_tree(partial)
    sets = {kind: distinct(kind, split, size, first) for kind, size in sizes.items()}
    pngs = pictures([problem for problems in sets.values() for problem in problems], workers, cache)
    written = {}
    for kind, problems in sets.items():
        place = partial / BENCHMARKS[kind]
        place.mkdir(parents=True)
        entry = WRITERS[kind](place, problems, list(islice(pngs, len(problems))))
        written[BENCHMARKS[kind]] = folder / entry.relative_to(partial)
    remove_tree(folder)
    publish(partial, folder)
    return written


def distinct(kind: Kind, split: Split, size: int, first: int = 0) -> list[Problem]:
    """So many problems, none like another."""
    found: dict[tuple[str, str], Problem] = {}
    index = first
    while len(found) < size:
        problem = draw(kind, split, index)
        is_told_by_code = kind != "question"  # answers such as `red` are short, and right for many pictures
        found.setdefault((problem.code, "" if is_told_by_code else problem.picture_of), problem)
        index += 1
    return list(found.values())


def _charts(folder: Path, problems: Sequence[Problem], pngs: Sequence[bytes]) -> Path:
    """Rows as ChartMimic's on the hub; the instruction is the problem's own, as short as the answer."""
    rows = []
    for number, (problem, png) in enumerate(zip(problems, pngs, strict=True), start=1):
        name = f"{problem.family}_{number}"
        (folder / f"{name}.png").write_bytes(png)
        rows.append(
            {
                "ExampleID": name,
                "Task": "direct mimic",
                "Instruction": problem.prompt,
                "GroundTruthFigureCode": problem.code,
                "InputFigurePreview": f"{name}.png",
            }
        )
    return _lines(folder / "test.jsonl", rows)


def _pages(folder: Path, problems: Sequence[Problem], pngs: Sequence[bytes]) -> Path:
    """N.html beside N.png, as Design2Code is published."""
    for number, (problem, png) in enumerate(zip(problems, pngs, strict=True), start=1):
        (folder / f"{number}.html").write_text(problem.code, encoding="utf-8")
        (folder / f"{number}.png").write_bytes(png)
    return folder


def _algorithms(folder: Path, problems: Sequence[Problem], pngs: Sequence[bytes]) -> Path:
    """Rows as MMCode's, call-based."""
    rows = [
        {
            "problem_id": problem.id,
            "name": problem.family,
            "source": problem.family,
            "url": "",
            "question": question(problem),
            "solutions": [problem.code],
            "starter_code": starter(problem),
            "input_output": input_output(problem),
            "images": [base64.b64encode(png).decode()] if png else [],
            "image_tags": ["Chart"] if png else [],
            "difficulty": "easy",
            "data_split": "test",
        }
        for problem, png in zip(problems, pngs, strict=True)
    ]
    return _lines(folder / "test.jsonl", rows)


def _questions(folder: Path, problems: Sequence[Problem], pngs: Sequence[bytes]) -> Path:
    """Lines of InfiBench-V."""
    (folder / "pictures").mkdir()
    rows = []
    for problem, png in zip(problems, pngs, strict=True):
        name = f"pictures/{problem.id}.png"
        (folder / name).write_bytes(png)
        is_page = problem.description.startswith("page")
        rows.append(
            {
                "id": problem.id,
                "question": f"![image](0)\n\n{problem.prompt}",
                "images": [name],
                "category": "front-end" if is_page else "ds-ml",
                "language": "html" if is_page else "python",
                "source": {"authors": ["viscodex"], "license": "Apache-2.0"},
                "reference_answer": problem.code,
                "grading": {"keywords": [{"content": {"content": problem.tests, "regex": True}}]},
            }
        )
    return _lines(folder / "questions.jsonl", rows)


def input_output(problem: Problem) -> dict[str, Any]:
    """The assertions of an algorithm as MMCode has them: arguments and what they give."""
    calls = list(_calls(problem.tests))
    return {"fn_name": "solve", "inputs": [args for args, _ in calls], "outputs": [value for _, value in calls]}


def _calls(tests: str) -> Iterator[tuple[list[Any], Any]]:
    for node in ast.parse(tests).body:
        match node:
            case ast.Assert(test=ast.Compare(left=ast.Call(args=args), comparators=[value])):
                yield [ast.literal_eval(arg) for arg in args], ast.literal_eval(value)


def _lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


WRITERS = {"chart": _charts, "page": _pages, "algorithm": _algorithms, "question": _questions}
