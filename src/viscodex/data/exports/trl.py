"""Parquet for TRL's SFTTrainer: `prompt` and `completion` in parts, pictures where they stand, no `<image>` in texts.

TRL puts a picture in front of every text that is a plain string: a marker left in it would show the picture twice, and
a picture from the middle of a question would move. With prompt and completion, loss falls on the answer alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from viscodex.core.row import MARKER, Row
from viscodex.data.exports.files import picture_names
from viscodex.data.table import TEXT, Table

PART = {"type": TEXT, "text": TEXT}
TURNS = {"feature": {"role": TEXT, "content": {"feature": PART, "_type": "List"}}, "_type": "List"}
FEATURES: dict[str, Any] = {
    "id": TEXT,
    "category": TEXT,
    "prompt": TURNS,
    "completion": TURNS,
    "images": {"feature": {"_type": "Image"}, "_type": "List"},
}


class Trl:
    """`data/SPLIT-*.parquet`: `load_dataset("OUT")` gives what SFTTrainer takes."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self._tables: dict[str, Table] = {}

    def write(self, row: Row) -> None:
        split = row["split"]
        if split not in self._tables:
            self._tables[split] = Table(self.folder / "data", split, FEATURES)
        asked, answer = (turn["content"] for turn in row["messages"])
        names = picture_names(row)
        pictures = [{"bytes": one["bytes"], "path": name} for one, name in zip(row["images"], names, strict=True)]
        values = {
            "prompt": [{"role": "user", "content": parts(asked)}],
            "completion": [{"role": "assistant", "content": [{"type": "text", "text": answer}]}],
        }
        self._tables[split].write({"id": row["id"], "category": row["category"], **values, "images": pictures})

    def close(self) -> None:
        for table in self._tables.values():
            table.close()


def parts(text: str) -> list[dict[str, str | None]]:
    """A text with markers as the parts of a message."""
    found: list[dict[str, str | None]] = []
    for index, piece in enumerate(text.split(MARKER)):
        found += [{"type": "image", "text": None}] if index else []
        found += [{"type": "text", "text": piece}] if piece else []
    return found
