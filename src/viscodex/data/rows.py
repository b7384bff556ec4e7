"""Rows of JSON lines, a JSON array or parquet, plain or gzipped; a line that is no row comes as a Reject."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from viscodex.core.errors import VisCodexError, visible
from viscodex.runner.stage import Reject
from viscodex.sandbox.whole_numbers import read_json

SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet", ".jsonl.gz", ".ndjson.gz")
LONGEST = 64 << 20
"""Bytes of one line: tests with large inputs reach tens of megabytes."""

Row = Mapping[str, Any]


def read_rows(path: Path) -> Iterator[tuple[str, Row | Reject]]:
    """(FILE:NUMBER, row) of every row, in the order of names and lines."""
    if not path.exists():
        raise VisCodexError("no such input", where=str(path))
    files = sorted(file for file in path.rglob("*") if file.name.endswith(SUFFIXES)) if path.is_dir() else [path]
    if not files:
        raise VisCodexError("no rows here", where=str(path), hint=f"files ending in {', '.join(SUFFIXES)}")
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        for number, row in enumerate(rows_of(file), 1):
            yield f"{name}:{number}", row


def rows_of(path: Path) -> Iterator[Row | Reject]:
    """The rows of one file, by its suffix; JSON lines unless that says otherwise."""
    try:
        if path.suffix == ".parquet":
            yield from _parquet(path)
        elif path.suffix == ".json":
            yield from _array(path)
        else:
            with path.open("rb") as file:
                yield from _lines(cast(BinaryIO, gzip.GzipFile(fileobj=file)) if path.suffix == ".gz" else file)
    except (OSError, EOFError, zlib.error) as error:
        raise VisCodexError(f"cannot read the rows: {error}", where=str(path)) from error


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=64):
                yield from batch.to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise VisCodexError(f"not a parquet file: {error}", where=str(path)) from error


def _array(path: Path) -> Iterator[Row | Reject]:
    try:
        value = read_json(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise VisCodexError(f"not a JSON array: {error}", where=str(path)) from error
    for row in value if isinstance(value, list) else [value]:
        yield row if isinstance(row, dict) else Reject("malformed_row", f"a {type(row).__name__}, not an object")


def _lines(file: BinaryIO) -> Iterator[Row | Reject]:
    reader = io.BufferedReader(cast(io.RawIOBase, file), 1 << 20)
    while line := reader.readline(LONGEST):
        if len(line) == LONGEST and not line.endswith(b"\n"):
            while (rest := reader.readline(LONGEST)) and not rest.endswith(b"\n"):
                pass
            yield Reject("malformed_row", f"a line of {LONGEST} bytes or more")
        elif line.strip():
            yield _parsed(line)


def _parsed(line: bytes) -> Row | Reject:
    try:
        row = read_json(line)
    except (ValueError, RecursionError) as error:
        return Reject("malformed_row", visible(f"{error}: {line[:100].decode('utf-8', 'replace')}"))
    return row if isinstance(row, dict) else Reject("malformed_row", f"a {type(row).__name__}, not an object")


def as_text(value: Any) -> str:
    """A cell's text; "" for what has none."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)
