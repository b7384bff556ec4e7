"""Headers of safetensors files: read, checked to the last byte, and written.

A file is an 8-byte little-endian length N, N bytes of JSON {name: {dtype, shape, data_offsets}}, and the tensors'
bytes without gaps. Every rule is checked here, because a cut or forged file must not reach the arithmetic.
"""

from __future__ import annotations

import json
import math
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viscodex.checkpoint.dtypes import SIZES
from viscodex.core.errors import visible
from viscodex.core.problems import Problem

LARGEST_HEADER = 100_000_000  # the format's own limit
MOST_DIMENSIONS = 64  # numpy's own limit
_BEYOND_ANY_FILE = 1 << 62
METADATA = "__metadata__"


@dataclass(frozen=True)
class Entry:
    """A tensor in a file: `start` and `nbytes` are absolute positions in bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    nbytes: int


def read_header(path: Path, problems: list[Problem]) -> list[Entry]:
    """The tensors of a file in the order of their bytes; what is wrong is added to `problems`."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            problems.append(Problem("cannot read a shard", f"{path.name}: not a regular file"))
            return []
        size = status.st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(LARGEST_HEADER, size - 8):
                problems.append(Problem("truncated shard, or not a safetensors file", _length(path, size, length)))
                return []
            text = file.read(length)
    except OSError as error:
        problems.append(Problem("cannot read a shard", f"{path.name}: {error.strerror}"))
        return []
    raw = _parse(text, path.name, problems)
    entries = [entry for name, item in raw.items() if (entry := _entry(name, item, 8 + length, path.name, problems))]
    entries.sort(key=lambda entry: (entry.start, entry.nbytes))
    if len(entries) == len(raw):
        _check_offsets(entries, 8 + length, size, path.name, problems)
    return entries


def encode_header(tensors: Iterable[tuple[str, str, tuple[int, ...], int]]) -> bytes:
    """The first bytes of a file that will hold (name, dtype, shape, nbytes) in this order.

    Padded with spaces so that the tensors start at a multiple of 8, as the safetensors library does.
    """
    header: dict[str, Any] = {METADATA: {"format": "pt"}}
    position = 0
    for name, dtype, shape, nbytes in tensors:
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, position + nbytes]}
        position += nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _length(path: Path, size: int, length: int) -> str:
    return (
        f"{path.name}: {size} bytes, of which the header would take {length}"
        if size >= 8
        else f"{path.name}: {size} bytes"
    )


class _DuplicateNameError(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise _DuplicateNameError(", ".join(name for name, count in counts.items() if count > 1))
    return table


def _parse(text: bytes, file: str, problems: list[Problem]) -> dict[str, Any]:
    if not text.startswith(b"{"):
        problems.append(Problem("bad header JSON in a shard", f"{file}: not an object"))
        return {}
    try:
        raw: dict[str, Any] = json.loads(text.decode("utf-8"), object_pairs_hook=_unique)
    except _DuplicateNameError as error:
        problems.append(Problem("duplicate tensor in one shard", visible(f"{file}: {error}")))
        return {}
    except (ValueError, RecursionError) as error:
        problems.append(Problem("bad header JSON in a shard", f"{file}: {str(error)[:100]}"))
        return {}
    raw.pop(METADATA, None)
    return raw


def _entry(name: str, item: Any, data: int, file: str, problems: list[Problem]) -> Entry | None:
    where = visible(f"{file}: {name}")
    if not name or any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        problems.append(Problem("a tensor's name is empty or not printable", where))
        return None
    try:
        dtype, shape, (begin, end) = item["dtype"], tuple(item["shape"]), item["data_offsets"]
    except (TypeError, KeyError, ValueError):
        problems.append(Problem("a tensor's header lacks dtype, shape or data_offsets", where))
        return None
    if not all(type(n) is int and n >= 0 for n in (*shape, begin, end)):
        problems.append(Problem("a tensor's shape or offsets are not whole numbers ≥ 0", where))
        return None
    if not isinstance(dtype, str) or dtype not in SIZES:
        problems.append(Problem("unknown dtype in a header", visible(f"{where}: {dtype}")))
        return None
    if len(shape) > MOST_DIMENSIONS or end - begin != _nbytes(shape, dtype):
        what = "a tensor's bytes do not fit its shape and dtype"
        problems.append(Problem(what, visible(f"{where}: {end - begin} bytes for {dtype} {list(shape[:9])}")))
        return None
    return Entry(name, dtype, shape, data + begin, end - begin)


def _nbytes(shape: Sequence[int], dtype: str) -> int:
    """Bytes of a tensor; a forged shape stops being multiplied once no file could hold it."""
    elements = 0 if 0 in shape else 1
    for size in shape:
        elements = min(elements * size, _BEYOND_ANY_FILE)
    return math.ceil(elements * SIZES[dtype])


def _check_offsets(entries: list[Entry], data: int, size: int, file: str, problems: list[Problem]) -> None:
    position = data
    for entry in entries:
        if entry.start < position:
            problems.append(Problem("overlapping tensors in a shard", f"{file}: {entry.name}"))
        elif entry.start > position:
            problems.append(Problem("unused bytes between tensors of a shard", f"{file}: before {entry.name}"))
        position = max(position, entry.start + entry.nbytes)
    if position > size:
        problems.append(Problem("truncated shard", f"{file}: {size} of {position} bytes", "download it again"))
    elif position < size:
        problems.append(Problem("bytes behind the last tensor of a shard", f"{file}: {size - position} bytes"))
