"""What the formats share: names that are safe wherever a row's id came from, files that are written row by row."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from viscodex.core.errors import VisCodexError
from viscodex.core.row import SUFFIXES, Row

LONGEST = 80
UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


def stem(row_id: str) -> str:
    """A file name without suffix, of letters, digits, `-` and `_`: the id itself, if it is that and not long.

    Dots too are left out: readers of tars take what follows the first one for the kind of file.
    """
    safe = UNSAFE.sub("_", row_id)[:LONGEST]
    if safe == row_id and safe:
        return row_id
    return f"{safe}-{hashlib.sha256(row_id.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def picture_names(row: Row) -> list[str]:
    """`html/ID.png`, or with several pictures `qa/ID.0.png`, `qa/ID.1.jpg`: by what the bytes are.

    The dot is in no stem, so that `ID-1` is another row's name and never a second picture's.
    """
    name = f"{row['category']}/{stem(row['id'])}"
    many = len(row["images"]) > 1
    return [
        f"{name}{f'.{index}' if many else ''}.{suffix(picture['bytes'])}" for index, picture in enumerate(row["images"])
    ]


def suffix(data: bytes) -> str:
    """By the first bytes; `png` for what is none of the usual, as readers go by the content."""
    return next((name for start, name in SUFFIXES.items() if data.startswith(start)), "png")


def write_pictures(folder: Path, row: Row) -> list[str]:
    """The pictures of a row as files; their paths relative to `folder`."""
    names = [f"images/{name}" for name in picture_names(row)]
    for name, picture in zip(names, row["images"], strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture["bytes"])
    return names


def as_line(value: Mapping[str, Any]) -> str:
    """One line of strict JSON: no NaN, which most readers refuse."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise VisCodexError(f"row {value.get('id')} cannot be written as JSON: {error}") from error


class Lines:
    """JSON lines, one file per split: `train.jsonl`, …"""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, TextIO] = {}

    def write(self, split: str, value: Mapping[str, Any]) -> None:
        if split not in self._files:
            self._files[split] = (self.folder / f"{split}.jsonl").open("w", encoding="utf-8")
        self._files[split].write(as_line(value) + "\n")

    def close(self) -> list[str]:
        """The splits that were written."""
        for file in self._files.values():
            file.close()
        return sorted(self._files)
