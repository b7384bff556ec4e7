"""Answers that other tools made, brought into a run's folder: tables of VLMEvalKit (xlsx, tsv, json) and JSON lines."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.rundir import JsonLines, read_json
from viscodex.eval.folder import Task
from viscodex.eval.predictions import as_completion, read_predictions
from viscodex.model.generate import Completion

FAILED = "Failed to obtain answer via API."
"""What VLMEvalKit writes when its endpoint gave no answer: no answer of the model's."""


@dataclass(frozen=True)
class Imported:
    """Rows taken; rows whose id is no sample's; rows that hold no answer, by reason; samples without a row."""

    taken: int
    unknown: Sequence[str]
    unreadable: dict[str, int]
    missing: int


def import_answers(task: Task, file: Path, answers_by: str, *, by_position: bool = False) -> Imported:
    """Append a file's answers to a task's predictions. `by_position`: row i answers sample i, whatever its id."""
    if read_predictions(task.folder).answers:
        raise UsageError("this folder has answers already", where=str(task.folder), hint="choose another --out")
    ids = [sample.id for sample in task.samples]
    unknown: list[str] = []
    unreadable: dict[str, int] = {}
    taken: dict[str, Completion] = {}
    for position, row in enumerate(read_table(file)):
        try:
            completion = as_completion(row)
        except VisCodexError as error:
            unreadable[error.problem] = unreadable.get(error.problem, 0) + 1
            continue
        sample_id = ids[position] if by_position and position < len(ids) else _match(completion.sample_id, ids)
        if sample_id is None:
            unknown.append(completion.sample_id)
            continue
        failed = {"finish": "error", "text": "", "reason": FAILED} if completion.text.strip() == FAILED else {}
        taken[sample_id] = completion.model_copy(update={"sample_id": sample_id, "generator": answers_by, **failed})
    if not taken:
        raise VisCodexError(
            f"none of the rows answers a sample of {task.benchmark.name} (first ids: {', '.join(unknown[:3])})",
            where=str(file),
            hint=f"its ids are like {ids[0]}; --by-position takes rows in order",
        )
    task.folder.mkdir(parents=True, exist_ok=True)
    with JsonLines(task.folder / "predictions.jsonl") as lines:
        for completion in taken.values():
            lines.append(completion.model_dump())
    return Imported(len(taken), unknown, unreadable, len(ids) - len(taken))


def read_table(file: Path) -> Iterator[dict[str, Any]]:
    """Rows of an xlsx, tsv, csv, json (a list, or an object of id → answer) or jsonl file."""
    if not file.is_file():
        raise UsageError("no such file", where=str(file))
    suffix = file.suffix.lower()
    if suffix == ".jsonl":
        yield from JsonLines(file)
    elif suffix == ".json":
        yield from _rows_of_json(read_json(file), file)
    elif suffix in (".tsv", ".csv"):
        csv.field_size_limit(1 << 30)
        with file.open(encoding="utf-8", newline="") as text:
            yield from csv.DictReader(text, delimiter="\t" if suffix == ".tsv" else ",")
    elif suffix == ".xlsx":
        yield from _rows_of_sheet(file)
    else:
        raise UsageError(
            f"no reader for {suffix or 'a file without suffix'}", str(file), "xlsx, tsv, csv, json or jsonl"
        )


def _rows_of_json(content: Any, file: Path) -> Iterator[dict[str, Any]]:
    if isinstance(content, dict) and all(isinstance(value, str) for value in content.values()):
        yield from ({"id": key, "prediction": value} for key, value in content.items())
    elif isinstance(content, dict) and content and all(isinstance(value, dict) for value in content.values()):
        ids: list[str] = list(next(iter(content.values())))  # column → row → value, as pandas writes it
        yield from ({column: values.get(i) for column, values in content.items()} for i in ids)
    elif isinstance(content, list):
        yield from content
    else:
        raise VisCodexError("neither a list of rows nor an object of answers", where=str(file))


def _rows_of_sheet(file: Path) -> Iterator[dict[str, Any]]:
    try:
        import openpyxl
    except ImportError:
        raise UsageError("reading xlsx needs openpyxl", where=str(file), hint="pip install openpyxl") from None
    rows = openpyxl.load_workbook(file, read_only=True, data_only=True).worksheets[0].iter_rows(values_only=True)
    header = [str(name) for name in next(rows, ())]
    for row in rows:
        yield {name: value for name, value in zip(header, row, strict=False) if value is not None}


def _match(found: str, ids: Sequence[str]) -> str | None:
    """An id as it is, or as its stem or number: `chart_7.png` for `chart_7`, `7` for `7.0` of a spreadsheet."""
    for candidate in (found, Path(found).stem, found.removesuffix(".0")):
        if candidate in ids:
            return candidate
    return None
