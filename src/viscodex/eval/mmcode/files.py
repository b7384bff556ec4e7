"""MMCode's rows from the files it comes in: gzip or plain JSON lines, parquet, a folder per problem."""

from __future__ import annotations

import base64
import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Image
from viscodex.sandbox.whole_numbers import read_json

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
PATTERNS = ("*.jsonl", "*.jsonl.gz", "*.json.gz", "*.parquet")
PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp"}


@dataclass(frozen=True)
class Row:
    """A problem as it stands in a file, or why it cannot be read. `place` names file and line for messages."""

    place: str
    fields: dict[str, Any]
    images: tuple[Image | None, ...] = ()
    problem: str = ""


def read_rows(path: Path) -> Iterator[Row]:
    """Every problem below a path, in the order of names and lines."""
    if path.is_file():
        yield from _file(path)
        return
    if not path.is_dir():
        raise VisCodexError("there is no such file or folder", where=str(path))
    folders = sorted((file.parent for file in path.rglob("data.json")), key=_natural)
    files = sorted({file for pattern in PATTERNS for file in path.rglob(pattern)}, key=_natural)
    if not folders and not files:
        hint = "MMCode's .jsonl.gz, a .jsonl or .parquet file, or a folder per problem with data.json and images/"
        raise VisCodexError("no problems are in this folder", where=str(path), hint=hint)
    for folder in folders:
        yield _folder(folder)
    for file in files:
        yield from _file(file)


def _natural(path: Path) -> list[tuple[int, str]]:
    """2 before 10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"([0-9]+)", str(path))]


def _folder(folder: Path) -> Row:
    place = folder.name
    try:
        fields = read_json((folder / "data.json").read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        return Row(place, {}, problem=f"data.json cannot be read: {error}")
    if not isinstance(fields, dict):
        return Row(place, {}, problem="data.json holds no object")
    found = (file for file in (folder / "images").glob("*") if file.suffix.lower() in PICTURES)
    images = tuple(Image(path=str(file)) for file in sorted(found, key=_natural))
    fields.setdefault("problem_id", folder.name)
    return Row(place, fields, images or _images(fields.get("images")))


def _file(path: Path) -> Iterator[Row]:
    try:
        with path.open("rb") as file:
            start = file.read(4)
        yield from _parquet(path) if start == PARQUET else _lines(path, start)
    except OSError as error:
        raise VisCodexError(f"cannot read {path.name}: {error}", where=str(path)) from error


def _lines(path: Path, start: bytes) -> Iterator[Row]:
    with gzip.open(path, "rb") if start[:2] == GZIP else path.open("rb") as file:
        try:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _line(f"{path.name}:{number}", line)
        except (EOFError, zlib.error) as error:
            raise VisCodexError(f"{path.name} is cut short or damaged", where=str(path), hint="get it again") from error


def _line(place: str, line: bytes) -> Row:
    try:
        fields = read_json(line)
    except (ValueError, RecursionError) as error:
        return Row(place, {}, problem=f"not JSON: {error}")
    if not isinstance(fields, dict):
        return Row(place, {}, problem="the line holds no object")
    return Row(place, fields, _images(fields.get("images")))


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow.lib
    import pyarrow.parquet

    try:
        batches = pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=16)  # a row holds its pictures
        for batch in batches:
            for number, fields in enumerate(batch.to_pylist(), start=1):
                yield Row(f"{path.name}:{number}", fields, _images(fields.get("images")))
    except pyarrow.lib.ArrowException as error:
        raise VisCodexError(f"{path.name} is not readable parquet: {error}", where=str(path)) from error


def _images(value: Any) -> tuple[Image | None, ...]:
    return tuple(map(_image, value)) if isinstance(value, list | tuple) else ()


def _image(value: Any) -> Image | None:
    """A picture from base64 (a data URL too), bytes, or the struct that `datasets` writes; else None."""
    if isinstance(value, dict):
        value = value.get("bytes")
    if isinstance(value, str):
        encoded = value.partition(",")[2] if value.startswith("data:") else value
        try:
            value = base64.b64decode("".join(encoded.split()), validate=True)
        except ValueError:
            return None
    return Image(data=value) if isinstance(value, bytes) and value else None
