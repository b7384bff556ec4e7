"""The row that data sets are kept in, as LLaMA-Factory, ms-swift and `datasets` read it; and back to a Sample.

    for row in read_rows(folder): …         every column
    for sample in read_samples(folder): …   the noun that training speaks

It stands in core because several jobs meet in these files: `viscodex data` writes them, training and exports read them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.sample import Image, Kind, Sample, Source

MARKER = "<image>"  # one in the user's text for every picture, in reading order
ROWS_AT_ONCE = 64
APART = ("origin", "generator", "hashes", "split")  # checks that have columns of their own
SUFFIXES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"RIFF": "webp"}


class Turn(TypedDict):
    """One message; the user's holds a marker where each picture stands."""

    role: str
    content: str


class Picture(TypedDict):
    """The encoded picture, and the name it gets where it becomes a file."""

    bytes: bytes
    path: str


class Generator(TypedDict):
    """Who wrote the response, if a model did; `params` is JSON text, `time` is empty in a build's shards."""

    model: str
    params: str
    prompt_version: str
    time: str


class Hashes(TypedDict):
    """Of the program without its layout, and of what its picture looks like."""

    code_sha256: str
    image_phash: str


class Row(TypedDict):
    """One row of a data set. `checks` is a mapping here and JSON text in the file: its keys differ from row to row."""

    id: str
    category: Kind
    messages: list[Turn]
    images: list[Picture]
    source: str
    source_id: str
    url: str
    author: str
    retrieved: str
    license: str
    attribution: str
    generator: Generator
    checks: dict[str, Any]
    hashes: Hashes
    split: str


class MarkerError(VisCodexError):
    """A text holds the picture's marker itself: every trainer would look for a picture there."""


def to_row(sample: Sample, split: str = "train") -> Row:
    """A sample as a row. Texts that stand side by side in its prompt are joined; MarkerError."""
    for text in (*(part for part in sample.prompt if isinstance(part, str)), sample.response):
        if MARKER in text:
            raise MarkerError(f"the text of {sample.id} holds a literal {MARKER}")
    origin, generator, hashes = (sample.checks.get(name) or {} for name in APART[:3])
    asked = "".join(part if isinstance(part, str) else MARKER for part in sample.prompt)
    return {
        "id": sample.id,
        "category": sample.kind,
        "messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": sample.response}],
        "images": _pictures(sample),
        "source": str(origin.get("name", "")),
        "source_id": str(origin.get("id", "")),
        "url": sample.source.url,
        "author": sample.source.author,
        "retrieved": sample.source.retrieved,
        "license": sample.source.licence,
        "attribution": str(origin.get("attribution", "")),
        "generator": _generator(generator),
        "checks": {key: value for key, value in sample.checks.items() if key not in APART},
        "hashes": {name: str(hashes.get(name) or "") for name in Hashes.__annotations__},  # type: ignore[typeddict-item]
        "split": sample.checks.get("split") or split,
    }


def to_sample(row: Row) -> Sample:
    """A row as a sample: the other way round, to the byte."""
    roles = [turn["role"] for turn in row["messages"]]
    if roles != ["user", "assistant"]:
        raise VisCodexError(f"row {row['id']} is not one question and one answer: {', '.join(roles) or 'nothing'}")
    asked, answered = (turn["content"] for turn in row["messages"])
    checks = dict(row["checks"])
    origin = {"name": row["source"], "id": row["source_id"], "attribution": row["attribution"]}
    generator = {**row["generator"], "params": json.loads(row["generator"]["params"] or "{}")}
    for name, facts in (("origin", origin), ("generator", generator), ("hashes", dict(row["hashes"]))):
        if any(facts.values()):
            checks[name] = facts
    return Sample(
        id=row["id"],
        kind=row["category"],
        prompt=_prompt(row["id"], asked, row["images"]),
        response=answered,
        checks=checks | {"split": row["split"]},
        source=Source(url=row["url"], licence=row["license"], author=row["author"], retrieved=row["retrieved"]),
    )


def read_rows(
    folder: Path, *, categories: Sequence[str] = (), split: str = "train", columns: Sequence[str] | None = None
) -> Iterator[Row]:
    """The rows of a built data set, streamed in the order of files and rows; some columns only, if named."""
    import pyarrow.parquet as pq

    for path in shards(folder, categories, split):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=columns):
                yield from map(parsed, batch.to_pylist())


def read_samples(folder: Path, *, categories: Sequence[str] = (), split: str = "train") -> Iterator[Sample]:
    """The same as samples."""
    return map(to_sample, read_rows(folder, categories=categories, split=split))


def shards(folder: Path, categories: Sequence[str] = (), split: str = "train") -> list[Path]:
    """The files of `folder/data/CATEGORY/SPLIT-*.parquet`, sorted; UsageError when there is none."""
    wanted = categories or ["*"]
    found = sorted(path for name in wanted for path in (folder / "data").glob(f"{name}/{split}-*-of-*.parquet"))
    if not found:
        raise UsageError(
            f'no shards of "{split}"' + (f" of {', '.join(categories)}" if categories else ""),
            where=str(folder / "data"),
            hint="a folder that viscodex data build has written",
        )
    return found


def count_rows(folder: Path, *, categories: Sequence[str] = (), split: str = "train") -> int:
    """How many rows there are, from the files' footers alone."""
    import pyarrow.parquet as pq

    return sum(int(pq.read_metadata(path).num_rows) for path in shards(folder, categories, split))


def parsed(row: Mapping[str, Any]) -> Row:
    """A row as it stands in a file, its JSON text read."""
    values = dict(row)
    if "checks" in values:
        values["checks"] = json.loads(values["checks"])
    return values  # type: ignore[return-value]


def as_json(value: Any) -> str:
    """JSON text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _generator(facts: Mapping[str, Any]) -> Generator:
    params = facts.get("params")
    return {
        "model": str(facts.get("model") or ""),
        "params": as_json(params) if params else "",
        "prompt_version": str(facts.get("prompt_version") or ""),
        "time": str(facts.get("time") or ""),
    }


def _pictures(sample: Sample) -> list[Picture]:
    many = len(sample.images) > 1
    pictures: list[Picture] = []
    for index, image in enumerate(sample.images):
        data = image.read()
        suffix = next((suffix for start, suffix in SUFFIXES.items() if data.startswith(start)), "png")
        pictures.append({"bytes": data, "path": f"{sample.id}{f'-{index}' if many else ''}.{suffix}"})
    return pictures


def _prompt(row_id: str, asked: str, pictures: Sequence[Picture]) -> tuple[str | Image, ...]:
    texts = asked.split(MARKER)
    if len(texts) - 1 != len(pictures):
        raise VisCodexError(f"row {row_id} has {len(pictures)} pictures and {len(texts) - 1} marks for them")
    parts: list[str | Image] = [texts[0]] if texts[0] else []
    for picture, text in zip(pictures, texts[1:], strict=True):
        parts.append(Image(data=picture["bytes"]))
        parts += [text] if text else []
    return tuple(parts)
