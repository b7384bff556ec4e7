"""The layout of the published MCD: `mcd.json`, one array, and `mcd_images.zip`.

Beside the three published keys a record holds what else a row knows (`id`, `license`, `checks`, …): readers of the
original layout pass over it, and `viscodex data import` gives the same rows again.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from viscodex.core.pictures import FOLDER
from viscodex.core.row import Row
from viscodex.data.exports.files import as_line, picture_names

CARRIED = ("id", "source", "source_id", "url", "author", "retrieved", "license", "attribution", "split", "checks")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same rows give the same bytes


class McdJson:
    """Both files, row by row; pictures are stored, since they are compressed already."""

    def __init__(self, folder: Path, name: str) -> None:
        self._json = (folder / f"{name}.json").open("w", encoding="utf-8")
        self._json.write("[")
        self._zip = zipfile.ZipFile(folder / f"{FOLDER}.zip", "w", zipfile.ZIP_STORED)
        self._is_first = True

    def write(self, row: Row) -> None:
        names = [f"{FOLDER}/{name}" for name in picture_names(row)]
        for name, picture in zip(names, row["images"], strict=True):
            self._zip.writestr(zipfile.ZipInfo(name, EPOCH), picture["bytes"])
        self._json.write(("\n" if self._is_first else ",\n") + as_line(_record(row, names)))
        self._is_first = False

    def close(self) -> None:
        self._json.write("\n]\n")
        self._json.close()
        self._zip.close()


def _record(row: Row, names: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {"images": names, "messages": row["messages"], "category": row["category"]}
    values |= {name: row[name] for name in CARRIED if row[name]}  # type: ignore[literal-required]
    if any(row["hashes"].values()):
        values["hashes"] = row["hashes"]
    if any(row["generator"].values()):
        values["generator"] = {**row["generator"], "params": json.loads(row["generator"]["params"] or "{}")}
    return values
