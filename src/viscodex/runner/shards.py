"""Rows split over machines, and files written whole: a row's id alone says which machine does it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.rundir import fsync_folder, read_json, write_json

MARK = "shard.json"
NAME = re.compile(r"(?P<split>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})\.(?P<suffix>[\w.]+)")
"""What `shard_name` makes, taken apart."""


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count`, counted from 1. The whole is 1/1."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """`--shard 2/8`."""
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip(), re.ASCII)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f'--shard takes i/n with i from 1 to n, not "{text}"', hint="--shard 1/4 … --shard 4/4")
        return cls(int(match[1]), int(match[2]))

    def holds(self, row_id: str) -> bool:
        """Whether a row belongs to this part: by a hash of its id, so every machine agrees, today and next year."""
        return bucket(row_id, self.count) == self.index - 1

    def mark(self, folder: Path, facts: Mapping[str, Any]) -> None:
        """Say in a finished folder which part it is, and of what (`facts`: the recipe's fingerprint, …)."""
        write_json(folder / MARK, {"index": self.index, "count": self.count, **facts})


def bucket(row_id: str, count: int) -> int:
    """One of `count` equal shares, by SHA-256 of the id."""
    digest = hashlib.sha256(row_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % count


def shard_name(split: str, index: int, count: int, suffix: str = "parquet") -> str:
    """`train-00000-of-00004.parquet`, as data sets on the hub are called; `index` from 0."""
    return f"{split}-{index:05d}-of-{count:05d}.{suffix}"


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a file under a temporary name, then rename it: under its own name it is complete and on disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        fsync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def in_order(parts: Sequence[Path]) -> list[Path]:
    """The marked folders of the parts 1/n … n/n; VisCodexError unless all are there, each once, of one recipe."""
    marks = {folder: read_json(folder / MARK) for folder in parts}
    counts = {mark.get("count") for mark in marks.values()}
    found = sorted(mark.get("index", 0) for mark in marks.values())
    if len(counts) != 1 or found != list(range(1, counts.pop() + 1)):
        raise VisCodexError(
            f"these are not all the parts, each once: {_listed(marks.values())}",
            hint="the folders that --shard 1/n … n/n made",
        )
    facts = [{key: value for key, value in mark.items() if key != "index"} for mark in marks.values()]
    if any(fact != facts[0] for fact in facts):
        raise VisCodexError("the parts were not made by the same recipe", hint="run them again with one recipe")
    return sorted(parts, key=lambda folder: int(marks[folder]["index"]))


def _listed(marks: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(f"{mark.get('index')}/{mark.get('count')}" for mark in marks)
