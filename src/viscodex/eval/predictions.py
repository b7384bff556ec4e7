"""predictions.jsonl: one answer a line, from our generators or anybody's. Only ever appended to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from viscodex.core.errors import VisCodexError
from viscodex.core.rundir import JsonLines
from viscodex.model.generate import Completion

Place = tuple[str, int]
"""Sample id, and the number of the answer."""

ALIASES = {
    "sample_id": ("id", "question_id", "problem_id", "task_id", "name", "index"),
    "text": ("prediction", "response", "answer", "completion", "output", "generation"),
}


@dataclass
class Predictions:
    """The answers of one benchmark folder, the last good one for each place; `unreadable` counts lines by reason."""

    answers: dict[Place, Completion] = field(default_factory=dict)
    unreadable: dict[str, int] = field(default_factory=dict)

    def missing(self, ids: Iterable[str], n: int) -> Iterator[Place]:
        """Places without an answer, or with one that finished by error."""
        for sample_id in ids:
            for index in range(n):
                found = self.answers.get((sample_id, index))
                if found is None or found.finish == "error":
                    yield sample_id, index


def read_predictions(folder: Path) -> Predictions:
    """All `predictions*.jsonl` of a folder (shards side by side), later lines before earlier ones."""
    found = Predictions()
    for path in sorted(folder.glob("predictions*.jsonl")):
        for row in JsonLines(path):
            try:
                completion = as_completion(row)
            except VisCodexError as error:
                found.unreadable[error.problem] = found.unreadable.get(error.problem, 0) + 1
                continue
            place = completion.sample_id, completion.index
            known = found.answers.get(place)
            if known is None or known.finish == "error" or completion.finish != "error":
                found.answers[place] = completion
    return found


def as_completion(row: Any) -> Completion:
    """A line of ours, or of another tool that has an id and a text under one of their usual names."""
    if not isinstance(row, Mapping):
        raise VisCodexError("a line is not an object")
    values = {name: value for name, value in row.items() if name in Completion.model_fields}
    for name, others in ALIASES.items():
        if name not in values:
            other = next((alias for alias in others if alias in row), None)
            if other is None:
                raise VisCodexError(f"a line has no {name}", hint=f"or one of: {', '.join(others)}")
            values[name] = row[other]
    number = values["sample_id"]
    if isinstance(number, int) or (isinstance(number, float) and number.is_integer()):  # a spreadsheet's 7 is 7.0
        values["sample_id"] = str(int(number))
    if "sample_id" in row:  # ours: every field is checked
        return _checked(values)
    texts = values["text"] if isinstance(values["text"], Sequence) and not isinstance(values["text"], str) else None
    if texts is not None:
        raise VisCodexError("a line holds several answers", hint="one line per answer, with index 0, 1, …")
    return _checked({"sample_id": values["sample_id"], "text": values["text"] or "", "index": row.get("sample", 0)})


def _checked(values: Mapping[str, Any]) -> Completion:
    try:
        return Completion.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise VisCodexError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
