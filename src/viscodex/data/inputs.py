"""Raw inputs that several pipelines read: folders, zips, parquet and JSONL files of pictures, pages and scripts.

Everything is read lazily and in a fixed order, so that the same input gives the same ids on every machine.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Image, Kind, Sample, Source
from viscodex.data.rows import SUFFIXES, Row, rows_of
from viscodex.runner.stage import Reject

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
PAGES = (".html", ".htm", ".xhtml")
SKIPPED = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", "site-packages", ".venv", "venv", ".tox"})
LARGEST_PICTURE = 64 << 20
"""Bytes of a picture in a zip, unpacked."""
LONGEST_FILE = 4 << 20
"""Bytes of a page or a script; what is larger was made by a machine."""


class Input(BaseModel):
    """A source of raw material, and what is owed to whoever made it. A path alone is short for `{path = …}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(description="A folder, or a .zip, .parquet or .jsonl file.")
    name: str = Field("", description="What rows from here are said to come from; the path's last part unless given.")
    licence: str = Field("", description="SPDX name of the licence of its rows.")
    url: str = Field("", description="Where it is published.")
    author: str = Field("", description="Who made it, for the line in ATTRIBUTION.md.")
    column: str = Field("", description="Of a parquet or JSONL file: where the picture (image) or the code (code) is.")
    id_column: str = Field("", description="Of a parquet or JSONL file: what names a row; its number unless given.")

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @property
    def title(self) -> str:
        return self.name or Path(self.path).stem

    def source(self, licence: str = "") -> Source:
        return Source(url=self.url, licence=licence or self.licence, author=self.author)

    def origin(self, key: str) -> dict[str, str]:
        """What `checks["origin"]` says of a row from here."""
        made = ", ".join(part for part in (self.title, self.author, self.licence, self.url) if part)
        return {"name": self.title, "id": key, "attribution": made if self.author or self.licence else ""}


def all_named(sources: Iterable[Input]) -> None:
    """Raise ValueError when two inputs have one name: their rows would have the same ids."""
    titles = Counter(source.title for source in sources)
    if twice := [title for title, count in titles.items() if count > 1]:
        raise ValueError(f'several inputs are called "{twice[0]}"; give each a name of its own')


def identity(kind: Kind, title: str, key: str) -> str:
    """An id that depends on the input's name and the row's place in it, on nothing else."""
    return f"{kind}-{hashlib.sha256(repr((title, key)).encode()).hexdigest()[:16]}"


def pictures(source: Input) -> Iterator[tuple[str, Image | Reject]]:
    """(key, picture) of every picture; whether it can be decoded is found out later."""
    path = _existing(source)
    if path.is_dir():
        yield from ((key, Image(path=str(file))) for key, file in files(path, PICTURES))
    elif path.suffix == ".zip":
        yield from _zipped_pictures(path)
    elif path.name.endswith(SUFFIXES):
        for key, row in rows(source):
            yield key, row if isinstance(row, Reject) else _picture(row.get(source.column or "image"), path.parent)
    else:
        raise VisCodexError("screenshots come in a folder, a .zip, .parquet or .jsonl file", where=str(path))


def _picture(value: Any, beside: Path) -> Image | Reject:
    """A cell: bytes, the struct that `datasets` writes, base64 or a data URL, or the path of a file beside the rows."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes) and value:
        return Image(data=value)
    if not isinstance(value, str) or not value:
        return Reject("no_picture", "an empty cell")
    if value.lower().endswith(PICTURES) and not value.startswith("data:"):
        path = beside / value
        is_beside = path.resolve().is_relative_to(beside.resolve())
        return Image(path=str(path)) if is_beside else Reject("no_picture", f"{value[:200]} is not beside the rows")
    try:
        encoded = value.partition(",")[2] if value.startswith("data:") else value
        return Image(data=base64.b64decode("".join(encoded.split()), validate=True))
    except ValueError:
        return Reject("no_picture", f"neither a path nor base64: {value[:80]}")


def _zipped_pictures(path: Path) -> Iterator[tuple[str, Image | Reject]]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise VisCodexError(f"not a zip file: {error}", where=str(path)) from error
    with archive:
        for name in sorted(set(archive.namelist())):  # of two members with one name a reader gets the last
            if name.lower().endswith(PICTURES):
                yield name, _member(archive, name)


def _member(archive: zipfile.ZipFile, name: str) -> Image | Reject:
    try:
        size = archive.getinfo(name).file_size
        if size > LARGEST_PICTURE:
            return Reject("too_large", f"{size >> 20} MiB")
        return Image(data=archive.read(name))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        return Reject("unreadable", f"{type(error).__name__}: {error}"[:200])


def scripts(source: Input) -> Iterator[tuple[str, str | Reject]]:
    """(key, code) of every script of a folder, or of every row of a file of rows."""
    path = _existing(source)
    if path.is_dir():
        yield from ((key, text(file)) for key, file in files(path, (".py",)))
    else:
        for key, row in rows(source):
            code = row if isinstance(row, Reject) else row.get(source.column or "code")
            nothing = Reject("no_code", f'nothing in "{source.column or "code"}"')
            yield key, code if isinstance(code, str | Reject) else nothing


def text(file: Path) -> str | Reject:
    """A file's text, unless it is too long or none."""
    try:
        if file.stat().st_size > LONGEST_FILE:
            return Reject("too_large", f"{file.stat().st_size >> 20} MiB")
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        return Reject("unreadable", f"{type(error).__name__}: {error}"[:200])


def files(folder: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """(path below the folder, file) of every regular file with such a suffix, sorted; installed packages left out."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink() and entry.name not in SKIPPED:
            yield from ((f"{entry.name}/{key}", file) for key, file in files(entry, suffixes))
        elif entry.name.lower().endswith(suffixes) and entry.is_file():
            yield entry.name, entry


def rows(source: Input) -> Iterator[tuple[str, Row | Reject]]:
    """(key, row) of a JSONL, JSON or parquet file. A key that comes again is rejected, under its row's number."""
    path = _existing(source)
    if not path.name.endswith(SUFFIXES):
        raise VisCodexError("rows come in a .jsonl or a .parquet file", where=str(path))
    taken: set[str] = set()
    for number, row in enumerate(rows_of(path)):
        name = None if isinstance(row, Reject) or not source.id_column else row.get(source.id_column)
        key = str(number) if name is None else str(name)
        if key in taken:
            yield f"row {number}", Reject("repeated_id", key)
        else:
            yield key, row
        if source.id_column:
            taken.add(key)


def folder(source: Input) -> Path:
    """The input, which must be a folder."""
    path = _existing(source)
    if not path.is_dir():
        raise VisCodexError("not a folder", where=source.path)
    return path


def _existing(source: Input) -> Path:
    path = Path(source.path).expanduser()
    if not path.exists():
        raise VisCodexError("no such input", where=source.path)
    return path


def draft(kind: Kind, source: Input, key: str, number: int = 0, **fields: Any) -> Sample:
    """A sample that lacks something yet; `number` tells several from the same row apart."""
    checks = {"origin": source.origin(key), **fields.pop("checks", {})}
    name = identity(kind, source.title, key) + (f"-{number}" if number else "")
    return Sample(id=name, kind=kind, prompt=fields.pop("prompt", ()), source=source.source(), checks=checks, **fields)
