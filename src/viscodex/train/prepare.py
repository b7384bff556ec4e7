"""Measure the data once: every row's tokens before training, every bad row with its reason, and rows that can be
read in any order.

A prepared folder holds `rows.bin` (pictures' bytes and JSON records), `index.parquet` (where each row is, its tokens,
or why it is skipped), and `prepared.json`, written last. Pictures are copied: a parquet row group would have to be
read whole for each of its hundred rows, and a run should not depend on a zip that somebody moves.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow
import pyarrow.parquet
import xxhash

from viscodex.core import console
from viscodex.core.rundir import cache_folder, partial_path, publish, remove_tree, write_json
from viscodex.train.encode import BadSample, Encoder
from viscodex.train.recipe import TrainRecipe
from viscodex.train.sources import Row, Source, fingerprint

FORMAT = 2  # another layout of the folder is another number: caches outlive versions
TOGETHER = 256  # rows tokenized at once
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "chat_template.json")


@dataclass(frozen=True)
class Measured:
    """A row of the index: where its record is, how long it is, or why it cannot be used."""

    id: str
    kind: str
    split: str
    start: int
    nbytes: int
    tokens: int = 0
    answers: int = 0
    image_tokens: int = 0
    pictures: int = 0
    reason: str = ""
    detail: str = ""


def key_of(recipe: TrainRecipe, model: Path, sources: list[Source]) -> str:
    """What the measurements depend on: the files, the tokenizer and template, the picture sizes."""
    tokenizer = {name: _digest(model / name) for name in TOKENIZER_FILES if (model / name).is_file()}
    pixels = [recipe.min_pixels, recipe.max_pixels, _digest(model / "preprocessor_config.json")]
    facts = [FORMAT, fingerprint(sources, recipe.images), tokenizer, pixels]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def prepared_folder(recipe: TrainRecipe, model: Path, sources: list[Source]) -> Path:
    """Where the measured data of these settings lies or will lie."""
    root = Path(recipe.prepared).expanduser() if recipe.prepared else cache_folder() / "train"
    return root / key_of(recipe, model, sources)


def prepare(sources: list[Source], encoder: Encoder, folder: Path) -> Path:
    """Measure every row into `folder`, unless that has been done. Returns the folder."""
    if (folder / "prepared.json").is_file():
        return folder
    partial = partial_path(folder)
    remove_tree(partial)
    partial.mkdir(parents=True)
    digest = xxhash.xxh3_128()
    measured: list[Measured] = []
    with (partial / "rows.bin").open("wb") as file, console.progress("measuring", _bytes(sources), "B") as progress:
        for source in sources:
            rows = source.rows()
            while batch := list(islice(rows, TOGETHER)):
                measured += _measure(batch, encoder, file, digest)
            progress.advance(source.path.stat().st_size)
    _write_index(partial / "index.parquet", measured)
    oddities: Counter[str] = sum((source.oddities for source in sources), Counter())
    facts = {"rows": len(measured), "xxh3_128": digest.hexdigest(), "oddities": dict(oddities), "format": FORMAT}
    write_json(partial / "prepared.json", facts)
    publish(partial, folder)
    return folder


def _measure(rows: Sequence[Row], encoder: Encoder, file: BinaryIO, digest: Any) -> Iterator[Measured]:
    """Write a batch of rows and measure it; bad rows are in the index, not in the file."""
    good, texts, sizes = [], [], []
    for row in rows:
        try:
            text, measures = encoder.render(row), encoder.measure(row)
            encoder.image_tokens(measures)
        except BadSample as bad:
            yield Measured(row.id, row.kind, row.split, -1, 0, reason=bad.reason, detail=bad.detail)
            continue
        good.append(row)
        texts.append(text)
        sizes.append(measures)
    for row, encoded in zip(good, encoder.encode(texts, sizes), strict=True):
        start, nbytes = _store(row, file, digest)
        answers, pictures = int(encoded.is_answer.sum()), len(row.pictures)
        image_tokens = int((encoded.ids == encoder.image_id).sum())
        yield Measured(row.id, row.kind, row.split, start, nbytes, len(encoded.ids), answers, image_tokens, pictures)


def _store(row: Row, file: BinaryIO, digest: Any) -> tuple[int, int]:
    """Append the pictures, then the record that says where they are; returns the record's place."""
    places = []
    for picture in row.pictures:
        data = picture.read()
        places.append((file.tell(), file.write(data)))
        digest.update(data)
    record = json.dumps([row.turns, places], ensure_ascii=False).encode()
    digest.update(record)
    start = file.tell()
    return start, file.write(record)


def _write_index(path: Path, measured: list[Measured]) -> None:
    table = pyarrow.Table.from_pylist([asdict(row) for row in measured], schema=SCHEMA)
    pyarrow.parquet.write_table(table, path, compression="zstd")


SCHEMA = pyarrow.schema(
    [(name, pyarrow.string()) for name in ("id", "kind", "split")]
    + [(name, pyarrow.int64()) for name in ("start", "nbytes", "tokens", "answers", "image_tokens", "pictures")]
    + [(name, pyarrow.string()) for name in ("reason", "detail")]
)


def _bytes(sources: list[Source]) -> int:
    return sum(source.path.stat().st_size for source in sources)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
