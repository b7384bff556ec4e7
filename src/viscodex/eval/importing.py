"""Answers that other tools made, brought into a run's folder: tables of VLMEvalKit (xlsx, tsv, json) and JSON lines."""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.rundir import JsonLines, read_json
from viscodex.eval.folder import Task
from viscodex.eval.predictions import Place, as_completion, read_predictions
from viscodex.model.generate import Completion

FAILED = "Failed to obtain answer via API."
"""What VLMEvalKit writes when its endpoint gave no answer: no answer of the model's."""


AGAIN = "a later row answers the same"


@dataclass(frozen=True)
class Imported:
    """Answers taken; rows whose id is no sample's; rows that are not taken, by reason; samples without a row."""

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
    unreadable: Counter[str] = Counter()
    taken: dict[Place, Completion] = {}
    for position, row in enumerate(read_table(file)):
        try:
            completion = as_completion(row)
        except VisCodexError as error:
            unreadable[error.problem] += 1
            continue
        sample_id = ids[position] if by_position and position < len(ids) else _match(completion.sample_id, ids)
        if sample_id is None:
            unknown.append(completion.sample_id)
            continue
        place = sample_id, 0 if by_position else completion.index
        unreadable[AGAIN] += place in taken
        failed = {"finish": "error", "text": "", "reason": FAILED} if completion.text.strip() == FAILED else {}
        said = {"sample_id": sample_id, "index": place[1], "generator": answers_by}
        taken[place] = completion.model_copy(update=said | failed)
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
    return Imported(len(taken), unknown, dict(+unreadable), len(ids) - len({name for name, _ in taken}))


def answers_per_sample(file: Path) -> int:
    """How many answers the rows give a sample, by the numbers that they bear; 1 where they bear none."""
    most = 0
    for row in read_table(file):
        try:
            most = max(most, as_completion(row).index)
        except VisCodexError:  # told of when it is imported
            continue
    return most + 1


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
        yield from _rows_of_text(file, "\t" if suffix == ".tsv" else ",")
    elif suffix == ".xlsx":
        yield from _rows_of_sheet(file)
    else:
        raise UsageError(
            f"no reader for {suffix or 'a file without suffix'}", str(file), "xlsx, tsv, csv, json or jsonl"
        )


def _rows_of_text(file: Path, delimiter: str) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(1 << 30)
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:  # spreadsheets begin with a byte order mark
            yield from csv.DictReader(text, delimiter=delimiter)
    except (UnicodeDecodeError, csv.Error) as error:
        raise VisCodexError(f"not a table in UTF-8: {error}", where=str(file)) from error


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
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise VisCodexError(f"not a spreadsheet: {error}", where=str(file)) from error
    rows = book.worksheets[0].iter_rows(values_only=True)
    header = [str(name) for name in next(rows, ())]
    for row in rows:
        yield {name: value for name, value in zip(header, row, strict=False) if value is not None}


def _match(found: str, ids: Sequence[str]) -> str | None:
    """An id as it is, or as its stem or number: `chart_7.png` for `chart_7`, `7` for `7.0` of a spreadsheet."""
    for candidate in (found, Path(found).stem, found.removesuffix(".0")):
        if candidate in ids:
            return candidate
    return None
