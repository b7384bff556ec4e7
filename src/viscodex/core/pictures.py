"""Pictures that records name by path, in a folder or a zip: found under that name or nearly so, never outside."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from viscodex.core.archive import Archive, MemberError
from viscodex.core.errors import UsageError

FOLDER = "mcd_images"
"""What the paths of the published records begin with, mostly."""


class Picture(NamedTuple):
    """A picture's bytes, and whether its path had to be mended to find it."""

    data: bytes
    is_mended: bool


class PictureError(Exception):
    """A picture that a record names and that is not to be had; `reason` can be counted."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Pictures(Protocol):
    """Where pictures are: `get` raises PictureError."""

    def get(self, name: str) -> Picture: ...


def open_pictures(path: Path) -> Pictures:
    """A folder or a zip of pictures."""
    if path.is_dir():
        return Folder(path)
    if path.is_file():
        return Zip(Archive(path))
    raise UsageError("no such folder or zip of pictures", where=str(path), hint="--images mcd_images.zip")


def beside(records: Path) -> Path | None:
    """The pictures that lie beside a file of records, called as published or like the file."""
    names = (f"{FOLDER}.zip", FOLDER, f"{records.stem}.zip", records.stem, "images.zip", "images")
    return next((records.with_name(name) for name in names if records.with_name(name).exists()), None)


class Nowhere:
    """No pictures at all: for records that are text only."""

    def get(self, name: str) -> Picture:
        raise PictureError("picture missing", f"{name}: there is no folder or zip of pictures")


class Folder:
    """Files below one folder. What leads out of it, by `..`, as an absolute path or through a link, is not read."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    def get(self, name: str) -> Picture:
        for candidate in spellings(name, self.path.name):
            path = self.path / candidate
            try:
                if not path.is_file():
                    continue
                if not path.resolve().is_relative_to(self.path):
                    raise PictureError("picture path leads out of the folder", name)
                return Picture(path.read_bytes(), candidate != name)
            except OSError as error:
                raise PictureError("picture unreadable", f"{name}: {error.strerror}") from error
            except ValueError:  # a null byte
                continue
        raise _missing(name)


class Zip:
    """Members of a zip, which may have all of them in one more folder."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        before, mark, _ = f"/{next(iter(archive), '')}".partition(f"/{FOLDER}/")
        self._roots = ["", *([f"{before[1:]}/"] if mark and before else [])]

    def get(self, name: str) -> Picture:
        found = (root + spelling for root in self._roots for spelling in spellings(name, self.archive.path.stem))
        for candidate in chain([name], found):
            try:
                return Picture(self.archive.read(candidate), candidate != name)
            except KeyError:
                continue
            except MemberError as error:
                raise PictureError("picture unreadable", f"{name}: {error}") from error
        raise _missing(name)


def spellings(name: str, folder: str = FOLDER) -> Iterator[str]:
    """The paths that a name may mean, likeliest first, all relative and without `..`.

    The prefix (`mcd_images/`, or the folder's own name) may be missing, there twice, or behind a path of the machine
    that wrote it; separators may be those of Windows; letters may be composed or not.
    """
    seen: set[str] = set()
    for text in dict.fromkeys((name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))):
        for path in _placed(text.replace("\\", "/"), folder):
            parts = PurePosixPath(path).parts
            if not parts or ".." in parts or path.startswith("/") or path in seen:
                continue
            seen.add(path)
            yield path


def _placed(path: str, folder: str) -> Iterator[str]:
    plain = os.path.normpath(path).replace("\\", "/") if ".." not in path.split("/") else path
    for one in dict.fromkeys((path, plain)):
        yield one
        for prefix in dict.fromkeys((FOLDER, folder)):
            _, mark, rest = f"/{one}".rpartition(f"/{prefix}/")
            if mark:
                yield from (rest, f"{prefix}/{rest}")
            yield f"{prefix}/{one}"


def _missing(name: str) -> PictureError:
    if ".." in PurePosixPath(name.replace("\\", "/")).parts:
        return PictureError("picture path leads out of the folder", name)
    return PictureError("picture missing", name)


def bare(name: str) -> str:
    """A path without its prefix: the same for the ways one picture is named."""
    return f"/{name}".replace("\\", "/").rpartition(f"/{FOLDER}/")[2].lstrip("/")
