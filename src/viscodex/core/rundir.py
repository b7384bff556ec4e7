"""Output folders: written beside their final place, published last by one rename; files that only grow."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Self

from viscodex.core.errors import UsageError, VisCodexError


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write a whole file or nothing: temporary sibling, fsync, rename."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # still there only when the write failed


def write_json(path: Path, value: Any) -> None:
    """Atomic, two-space JSON with a final newline; keys keep their order."""
    atomic_write(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Parse a JSON file, or raise an error that names the file and the line."""
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise VisCodexError(f"{path.name} is not a regular file", where=str(path))
        return json.loads(path.read_bytes())
    except OSError as error:
        raise VisCodexError(f"cannot read {path.name}: {error.strerror}", where=str(path)) from error
    except json.JSONDecodeError as error:
        raise VisCodexError(f"{path.name} is not valid JSON: {error}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise VisCodexError(f"{path.name} is not UTF-8 text", where=str(path)) from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 100,000 brackets
        raise VisCodexError(f"{path.name} is not JSON that can be read: {error}", where=str(path)) from error


def cache_folder() -> Path:
    """What can be computed or fetched again: $VISCODEX_CACHE, or viscodex in the user's cache folder."""
    if named := os.environ.get("VISCODEX_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "viscodex"


def fsync_folder(path: Path) -> None:
    """Make renames inside `path` durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_tree(path: Path) -> None:
    """Make every file and folder below `path` durable; what already is costs next to nothing."""
    for folder, _, names in os.walk(path):
        for name in names:
            handle = os.open(Path(folder, name), os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        fsync_folder(Path(folder))


def partial_path(out: Path) -> Path:
    """Where OUT grows until it is complete: `OUT.partial`."""
    if out.name in ("", ".."):
        raise UsageError("the output path has no name of its own", where=str(out), hint="--out FOLDER/NAME")
    return out.with_name(out.name + ".partial")


def require_free(out: Path) -> None:
    """Refuse an output folder that already holds something."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UsageError("the output path is not a folder", where=str(out), hint="choose another --out")
    if out.is_dir() and any(out.iterdir()):
        raise UsageError("the output folder is not empty", where=str(out), hint="choose another --out, or remove it")


def publish(partial: Path, out: Path) -> None:
    """Rename a finished `OUT.partial` to OUT; the rename is the moment the result exists."""
    require_free(out)  # again: something may have come in while the work went on
    fsync_folder(partial)
    partial.rename(out)  # takes the place of an empty folder
    fsync_folder(out.parent)


def remove_tree(path: Path) -> None:
    """Delete a folder we wrote; a missing one is fine."""
    if path.exists():
        shutil.rmtree(path)


class JsonLines:
    """An append-only JSONL file. A last line cut short by a kill is not read, and the next append replaces it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def __iter__(self) -> Iterator[Any]:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n"):
                    yield self._parse(line, number)

    def append(self, row: Any, *, sync: bool = False) -> None:
        """Add one row; with `sync`, it is on disk when this returns."""
        file = self._file or self._open()
        file.write(_encode(row) + b"\n")
        file.flush()
        if sync:
            os.fsync(file.fileno())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _parse(self, line: bytes, number: int) -> Any:
        try:
            return json.loads(line)
        except ValueError as error:
            raise VisCodexError(f"line {number} is not valid JSON: {error}", where=str(self.path)) from error

    def _open(self) -> BinaryIO:
        self._file = self.path.open("r+b" if self.path.exists() else "w+b")
        whole = sum(len(line) for line in self._file if line.endswith(b"\n"))
        self._file.truncate(whole)
        self._file.seek(whole)
        return self._file


def _encode(row: Any) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, as models sometimes emit: only an escape can hold it
        return json.dumps(row).encode()
