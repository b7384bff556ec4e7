"""Tars for webdataset: a row is `KEY.json` and its pictures, `KEY.png` or `KEY.0.png`, `KEY.1.jpg`.

A stream that decodes pictures has no use for rows without: those go to tars of their own, `CATEGORY-SPLIT-text-*.tar`.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from viscodex.core.row import Row
from viscodex.data.exports.files import as_line, stem, suffix

ROWS = 10_000
BYTES = 500_000_000  # of a tar: what is read in one go from an object store


class WebDataset:
    """Tars by category, split, and whether there are pictures."""

    def __init__(self, folder: Path, name: str, rows: int = ROWS) -> None:
        self.folder = folder
        self.rows = rows
        self._tars: dict[str, _Tars] = {}

    def write(self, row: Row) -> None:
        group = f"{row['category']}-{row['split']}" + ("" if row["images"] else "-text")
        if group not in self._tars:
            self._tars[group] = _Tars(self.folder, group, self.rows)
        self._tars[group].write(_members(row))

    def close(self) -> None:
        for tars in self._tars.values():
            tars.close()


class _Tars:
    def __init__(self, folder: Path, group: str, most: int) -> None:
        self.folder = folder
        self.group = group
        self.most = most
        self._count = self._rows = self._bytes = 0
        self._tar: tarfile.TarFile | None = None

    def write(self, members: list[tuple[str, bytes]]) -> None:
        if self._tar is None or self._rows >= self.most or self._bytes >= BYTES:
            self._begin()
        assert self._tar is not None
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            self._tar.addfile(member, io.BytesIO(data))
            self._bytes += len(data)
        self._rows += 1

    def close(self) -> None:
        if self._tar is not None:
            self._tar.close()
            self._tar = None

    def _begin(self) -> None:
        self.close()
        path = self.folder / f"{self.group}-{self._count:05d}.tar"
        self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115  # closed by close()
        self._count += 1
        self._rows = self._bytes = 0


def _members(row: Row) -> list[tuple[str, bytes]]:
    key, many = stem(row["id"]), len(row["images"]) > 1
    facts = {**row, "images": len(row["images"])}
    pictures = [
        (f"{key}{f'.{index}' if many else ''}.{suffix(picture['bytes'])}", picture["bytes"])
        for index, picture in enumerate(row["images"])
    ]
    return [(f"{key}.json", as_line(facts).encode()), *pictures]
