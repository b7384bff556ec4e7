"""Rows to parquet shards: `datasets.load_dataset` opens them with pictures as pictures; the same rows, the same bytes.

with Table(folder, "train") as table:
    for row in rows: table.write(row)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from viscodex.core.row import Row, as_json
from viscodex.core.rundir import fsync_folder
from viscodex.runner.shards import shard_name

MOST_BYTES = 500_000_000  # of a shard, counted before compression; the hub asks for 512 MB at most
ROWS_WITH_PICTURES = 100  # of a row group: a viewer reads one to show a page
ROWS_OF_TEXT = 1000
GROUP_BYTES = 64_000_000

TEXT = {"dtype": "string", "_type": "Value"}
FEATURES: dict[str, Any] = {
    "id": TEXT,
    "category": TEXT,
    "messages": {"feature": {"role": TEXT, "content": TEXT}, "_type": "List"},
    "images": {"feature": {"_type": "Image"}, "_type": "List"},
    "source": TEXT,
    "source_id": TEXT,
    "url": TEXT,
    "author": TEXT,
    "retrieved": TEXT,
    "license": TEXT,
    "attribution": TEXT,
    "generator": {"model": TEXT, "params": TEXT, "prompt_version": TEXT, "time": TEXT},
    "checks": TEXT,
    "hashes": {"code_sha256": TEXT, "image_phash": TEXT},
    "split": TEXT,
}
REJECTED: dict[str, Any] = dict.fromkeys(("id", "status", "stage", "reason", "detail"), TEXT)
MEASURED: dict[str, Any] = dict.fromkeys(("id", "measured"), TEXT)
PICTURES = "images.list.element.bytes"
REPEATED = ("category", "source", "license", "split", "status", "stage", "reason")  # worth a dictionary


def arrow_type(feature: Any) -> pa.DataType:
    """The arrow type that `datasets` gives a feature."""
    match feature:
        case {"_type": "Value", "dtype": "string"}:
            return pa.string()
        case {"_type": "Image"}:
            return pa.struct({"bytes": pa.binary(), "path": pa.string()})
        case {"_type": "List", "feature": inner}:
            return pa.list_(arrow_type(inner))
    return pa.struct({name: arrow_type(inner) for name, inner in feature.items()})


def arrow_array(kind: pa.DataType, values: Sequence[Any]) -> pa.Array:
    """Texts, bytes, lists and structs as arrow keeps them; texts and bytes may be None.

    `pa.array` does the same, and imports pandas where it is installed: 45 MB and half a second of every build.
    """
    if pa.types.is_struct(kind):
        children = [arrow_array(field.type, [value[field.name] for value in values]) for field in kind]
        return pa.Array.from_buffers(kind, len(values), [None], children=children)
    if pa.types.is_list(kind):
        inner = arrow_array(kind.value_type, [item for value in values for item in value])
        return pa.Array.from_buffers(kind, len(values), [None, _ends(values)], children=[inner])
    is_known = [value is not None for value in values]
    known = None if all(is_known) else pa.py_buffer(np.packbits(is_known, bitorder="little"))
    pieces = [value.encode() if isinstance(value, str) else value or b"" for value in values]
    return pa.Array.from_buffers(kind, len(values), [known, _ends(pieces), pa.py_buffer(b"".join(pieces))])


def _ends(pieces: Sequence[Any]) -> pa.Buffer:
    return pa.py_buffer(np.cumsum([0, *map(len, pieces)], dtype=np.int32))


def schema(features: Mapping[str, Any]) -> pa.Schema:
    """An arrow schema that tells `datasets` what is a picture."""
    fields = [pa.field(name, arrow_type(feature)) for name, feature in features.items()]
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


class Table:
    """Writes rows in the order they come; on `close` the shards get names that say how many there are."""

    def __init__(
        self, folder: Path, split: str, features: Mapping[str, Any] = FEATURES, most_bytes: int = MOST_BYTES
    ) -> None:
        self.folder = folder
        self.split = split
        self.rows = 0
        self.schema = schema(features)
        self.most_bytes = most_bytes
        self._waiting: list[Mapping[str, Any]] = []
        self._waiting_bytes = self._shard_bytes = 0
        self._unnamed: list[Path] = []
        self._writer: pq.ParquetWriter | None = None

    def write(self, row: Row | Mapping[str, Any]) -> None:
        """Add a row; a shard that would grow too large is ended before it."""
        size = _size(row)
        if self._shard_bytes and self._shard_bytes + size > self.most_bytes:
            self._end_shard()
        self._waiting.append(row)
        self._waiting_bytes += size
        self._shard_bytes += size
        self.rows += 1
        most = ROWS_WITH_PICTURES if row.get("images") else ROWS_OF_TEXT
        if len(self._waiting) >= most or self._waiting_bytes >= GROUP_BYTES:
            self._end_group()

    def close(self) -> list[Path]:
        """The shards, under their names. A table without rows is one shard without rows."""
        if self._waiting or not self._unnamed:
            self._end_shard()
        named = []
        for index, path in enumerate(self._unnamed):
            named.append(path.replace(self.folder / shard_name(self.split, index, len(self._unnamed))))
        fsync_folder(self.folder)
        return named

    def abandon(self) -> None:
        """Leave nothing under a name of its own."""
        if self._writer is not None:
            self._writer.close()
        for path in self._unnamed:
            path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _end_group(self) -> None:
        writer = self._writer or self._begin_shard()
        if not self._waiting:
            return
        rows = [_flat(row) for row in self._waiting]
        columns = [arrow_array(field.type, [row[field.name] for row in rows]) for field in self.schema]
        writer.write_table(pa.Table.from_arrays(columns, schema=self.schema), row_group_size=len(rows))
        self._waiting, self._waiting_bytes = [], 0

    def _begin_shard(self) -> pq.ParquetWriter:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f".{self.split}-{len(self._unnamed):05d}.tmp"
        self._unnamed.append(path)
        self._writer = pq.ParquetWriter(
            path,
            self.schema,
            compression=self._compression(),
            use_dictionary=[name for name in REPEATED if name in self.schema.names],
            write_statistics=["id"],
        )
        return self._writer

    def _compression(self) -> dict[str, str]:
        """zstd, but not for pictures, which are compressed: it would take time and give 1 or 2 %."""
        return {path: "none" if path == PICTURES else "zstd" for path in _leaves(self.schema)}

    def _end_shard(self) -> None:
        self._end_group()
        assert self._writer is not None
        self._writer.close()
        self._writer, self._shard_bytes = None, 0


def _leaves(kind: pa.DataType | pa.Schema, path: str = "") -> Iterator[str]:
    """The file's own columns, by their dotted paths: `images.list.element.bytes`."""
    if isinstance(kind, pa.Schema) or pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(field.type, f"{path}.{field.name}" if path else field.name)
    elif pa.types.is_list(kind):
        yield from _leaves(kind.value_type, f"{path}.list.element")
    else:
        yield path


def _flat(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row as the file holds it: facts that differ from row to row are JSON text."""
    names = [name for name in ("checks", "measured") if name in row]
    return {**row, **{name: as_json(row[name]) for name in names}} if names else row


def _size(row: Row | Mapping[str, Any]) -> int:
    """Bytes of a row before compression, about: texts are counted by their characters."""
    pictures = sum(len(picture["bytes"]) for picture in row.get("images", ()))
    texts = sum(len(turn["content"]) for turn in row.get("messages", ()))
    return pictures + texts + 1000
