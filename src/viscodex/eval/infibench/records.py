"""InfiBench-V: questions with pictures, one JSON object a line (core/infibench_v.py says what is in it)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from viscodex.core.errors import VisCodexError
from viscodex.core.infibench_v import SLOT, Record
from viscodex.core.sample import Image, Sample, Source
from viscodex.eval.infibench import grading as gradings
from viscodex.eval.infibench.loaded import LARGEST, Loaded, path_inside, read_bytes, refused, rejected
from viscodex.eval.infibench.reading import GradingError


def read_jsonl(path: Path) -> Iterator[Loaded]:
    """Every line; raises only for a file that cannot be read at all."""
    try:
        with path.open("rb") as file:
            lines = list(file)
    except OSError as error:
        raise VisCodexError(f"cannot read {path.name}: {error.strerror}", str(path)) from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _read_line(line, path.parent, f"line {number}")


def _read_line(line: bytes, folder: Path, name: str) -> Loaded:
    if len(line) > LARGEST:
        return rejected(name, "too_large", f"{len(line)} bytes")
    try:
        raw = json.loads(line)
        name = str(raw["id"])[:200] if isinstance(raw, Mapping) and raw.get("id") else name
        record = Record.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        return rejected(name, "malformed", f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    except (ValueError, RecursionError) as error:
        return rejected(name, "malformed", f"not JSON: {error}")
    try:
        return load(record, folder)
    except VisCodexError as error:
        return refused(name, error)


def load(record: Record, folder: Path) -> Loaded:
    """A record as a sample; its pictures lie below the folder. VisCodexError for one that cannot be used."""
    language = record.language.strip().lower()
    grading, reader = gradings.read(record.grading, record.files, language, "weighted")
    checks = {
        "format": "infibench-v",
        "language": language,
        "category": record.category,
        "families": list(grading.families),
        "grading": record.grading,
        "files": record.files,
        "weight": 1.0,
        "full_score": 1.0,
        "null_score": 0.0,
        "post_id": record.source.post_id,
    }
    source = Source(url=record.source.url, licence=record.source.license, author=", ".join(record.source.authors))
    sample = Sample(
        id=record.id,
        kind="qa",
        prompt=_prompt(record, folder),
        response=record.reference_answer,
        checks=checks,
        source=source,
    )
    return Loaded(record.id, sample, oddities=tuple(reader.oddities))


def _prompt(record: Record, folder: Path) -> tuple[str | Image, ...]:
    """Text and pictures in reading order. Every picture has a place, and every place a picture.

    Pictures are read now: a sample is the same wherever its suite lies.
    """
    pieces = SLOT.split(record.question)  # text, number, text, number, …, text
    places = [int(number) for number in pieces[1::2]]
    if sorted(set(places)) != list(range(len(record.images))):
        raise GradingError(f"{len(record.images)} pictures and places for {sorted(set(places))}", "question")
    prompt: list[str | Image] = []
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            prompt += [piece.strip()] if piece.strip() else []
            continue
        prompt.append(Image(data=read_bytes(path_inside(folder, record.images[int(piece)]))))
    return tuple(prompt)
