"""A benchmark's files as items, in whatever layout it is published: nothing of the benchmark's own code is needed.

folders     every file by its suffix: pages and scripts are code, .md and .txt are text, pictures are pictures;
            files of one stem in one folder are one item
tables      .json, .jsonl (.gz), .parquet, .csv, .yaml: each row is an item; a column's name says what it holds
"""

from __future__ import annotations

import base64
import binascii
import csv
import gzip
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viscodex.core.errors import VisCodexError
from viscodex.data.decontaminate.fingerprints import posts
from viscodex.sandbox.whole_numbers import read_json

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
CODE = (".html", ".htm", ".py", ".py.txt", ".js", ".ts", ".java", ".go", ".cpp", ".r", ".php", ".rb", ".sh", ".css")
TEXT = (".md", ".txt")
TABLES = (".jsonl", ".jsonl.gz", ".ndjson", ".json", ".parquet", ".csv", ".yaml", ".yml")
CODE_COLUMNS = re.compile(r"code|solution|answer|reference|^html$", re.IGNORECASE)
TEXT_COLUMNS = re.compile(r"question|prompt|text|instruction|description|problem", re.IGNORECASE)
POST_COLUMNS = re.compile(r"^(?:post|question|so)_?id$", re.IGNORECASE)
MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM")


@dataclass
class Item:
    """One task of a benchmark."""

    texts: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    posts: set[int] = field(default_factory=set)


def read_items(path: Path) -> Iterator[Item]:
    """Every item below a path. VisCodexError for a table that cannot be read at all."""
    if not path.exists():
        raise VisCodexError("no such benchmark", where=str(path))
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    loose: defaultdict[tuple[Path, str], Item] = defaultdict(Item)
    for file in files:
        name = file.name.lower()
        if name.endswith(TABLES):
            yield from _table(file)
        elif name.endswith((*CODE, *TEXT, *PICTURES)) and not name.startswith(("readme", "__init__", "license")):
            _take_file(loose[file.parent, file.name.partition(".")[0]], file, name)
    yield from loose.values()


def _take_file(item: Item, file: Path, name: str) -> None:
    if name.endswith(PICTURES):
        item.pictures.append(file.read_bytes())
        return
    text = file.read_text(encoding="utf-8", errors="replace")
    (item.codes if name.endswith(CODE) else item.texts).append(text)
    item.posts |= posts(text)


def _table(file: Path) -> Iterator[Item]:
    try:
        for row in _rows(file):
            item = Item()
            _take(item, "", row)
            yield item
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise VisCodexError(f"not a readable table: {error}", where=str(file)) from error


def _rows(file: Path) -> Iterator[Any]:
    name = file.name.lower()
    if name.endswith(".parquet"):
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(batch_size=64):
                yield from batch.to_pylist()
    elif name.endswith(".json"):
        value = read_json(file.read_bytes())
        yield from value if isinstance(value, list) else [value]
    elif name.endswith(".csv"):
        csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        with file.open(encoding="utf-8", errors="replace", newline="") as lines:
            yield from csv.DictReader(lines)
    elif name.endswith((".yaml", ".yml")):  # a case: its grading is no text of its own
        yield {"links": file.read_text(encoding="utf-8", errors="replace")}
    else:
        with gzip.open(file) if name.endswith(".gz") else file.open("rb") as lines_:
            yield from (read_json(line) for line in lines_ if line.strip())


def _take(item: Item, column: str, value: Any) -> None:
    """Sort a cell, and what is in it, by the name of its column."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _take(item, column if key in ("bytes", "path", "content") else str(key), inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _take(item, column, inner)
    elif isinstance(value, bytes):
        item.pictures += [value] * value.startswith(MAGIC)
    elif isinstance(value, int) and not isinstance(value, bool) and POST_COLUMNS.match(column):
        item.posts.add(value)
    elif isinstance(value, str):
        _take_text(item, column, value)


def _take_text(item: Item, column: str, text: str) -> None:
    item.posts |= posts(text)
    if POST_COLUMNS.match(column) and text.isdigit() and len(text) < 13:
        item.posts.add(int(text))
    elif column.lower().startswith(("image", "picture")):
        item.pictures += filter(None, [_base64(text)])
    elif CODE_COLUMNS.search(column):
        item.codes += _listed(text)
    elif TEXT_COLUMNS.search(column):
        item.texts.append(text)


def _listed(text: str) -> list[str]:
    """Solutions come as a list in JSON text, too."""
    try:
        value = json.loads(text) if text.startswith("[") else None
    except (ValueError, RecursionError):
        value = None
    return [part for part in value if isinstance(part, str)] if isinstance(value, list) else [text]


def _base64(text: str) -> bytes | None:
    try:
        content = base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if content.startswith(MAGIC) else None
