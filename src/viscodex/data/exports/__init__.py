"""A data set in the formats that other tools read: streamed, whole or not at all, every row counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

from viscodex.core.errors import UsageError, did_you_mean
from viscodex.core.row import MARKER, Row, count_rows, read_rows, shards
from viscodex.core.rundir import JsonLines, partial_path, publish, remove_tree, require_free, write_json
from viscodex.data.exports.chat import LlamaFactory, Swift
from viscodex.data.exports.mcd_json import McdJson
from viscodex.data.exports.trl import Trl
from viscodex.data.exports.webdataset import WebDataset
from viscodex.runner.shards import NAME

REPORT = "export.json"
LEFT_OUT = "left-out.jsonl"


class Format(Protocol):
    """Takes rows one by one and writes files below its folder."""

    def write(self, row: Row) -> None: ...
    def close(self) -> None: ...


FORMATS: dict[str, Callable[[Path, str], Format]] = {
    "mcd-json": McdJson,
    "llamafactory": LlamaFactory,
    "swift": Swift,
    "trl": Trl,
    "webdataset": WebDataset,
}


@dataclass
class Exported:
    """seen = written + left out, per category and reason."""

    format: str
    seen: int = 0
    written: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    pictures: int = 0

    def as_json(self) -> dict[str, Any]:
        counts = {"written": dict(self.written), "left_out": dict(self.left_out)}
        return {"format": self.format, "seen": self.seen, **counts, "pictures": self.pictures}


def export(
    data: Path,
    out: Path,
    kind: str,
    *,
    name: str = "mcd",
    categories: Sequence[str] = (),
    split: str = "",
    limit: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> Exported:
    """Write the rows of a built or imported data set as `kind`; `out` appears when it is complete.

    Without `split`, all of them. A row that no trainer could read (marks and pictures differ) is left out, counted and
    named in left-out.jsonl.
    """
    if kind not in FORMATS:
        raise UsageError(f'no format "{kind}"', hint=did_you_mean(kind, FORMATS))
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", name):
        raise UsageError("a name has letters, digits, - and _", where=name, hint="--name mcd")
    require_free(out)
    rows = _rows(data, categories, split, limit)
    partial = partial_path(out)
    remove_tree(partial)
    partial.mkdir(parents=True)
    found = Exported(kind)
    target = FORMATS[kind](partial, name)
    with JsonLines(partial / LEFT_OUT) as left_out:
        for row in rows:
            found.seen += 1
            if reason := unreadable(row):
                found.left_out[reason] += 1
                left_out.append({"id": row["id"], "reason": reason})
            else:
                target.write(row)
                found.written[row["category"]] += 1
                found.pictures += len(row["images"])
            if advance:
                advance(1)
    target.close()
    assert found.seen == found.written.total() + found.left_out.total()
    write_json(partial / REPORT, found.as_json())
    publish(partial, out)
    return found


def unreadable(row: Row) -> str:
    """Why trainers could not read a row; "" for a sound one."""
    roles = [turn["role"] for turn in row["messages"]]
    if roles != ["user", "assistant"]:
        return "not one question and one answer"
    asked, answer = (turn["content"] for turn in row["messages"])
    if MARKER in answer:
        return f"{MARKER} in the answer"
    return "" if asked.count(MARKER) == len(row["images"]) else f"{MARKER} and pictures differ"


def splits(data: Path) -> list[str]:
    """The splits a data set has, `train` first."""
    found = {match["split"] for path in (data / "data").glob("*/*.parquet") if (match := NAME.fullmatch(path.name))}
    return sorted(found, key=lambda split: (split != "train", split))


def count(data: Path, categories: Sequence[str] = (), split: str = "", limit: int | None = None) -> int:
    """How many rows `export` would see, from the files' footers."""
    found = sum(count_rows(data, categories=categories, split=one) for one in _chosen(data, categories, split))
    return found if limit is None else min(found, limit)


def _rows(data: Path, categories: Sequence[str], split: str, limit: int | None) -> Iterator[Row]:
    chosen = _chosen(data, categories, split)
    readers = (read_rows(data, categories=categories, split=one) for one in chosen)
    return islice(chain.from_iterable(readers), limit)


def _chosen(data: Path, categories: Sequence[str], split: str) -> list[str]:
    """The splits to be read, which exist; UsageError when there is none."""
    wanted = [split] if split else splits(data) or ["train"]
    names = categories or ["*"]
    found = [one for one in wanted if any(any((data / "data").glob(f"{name}/{one}-*-of-*.parquet")) for name in names)]
    if not found:
        shards(data, categories, wanted[0])  # raises, and says what was looked for
    return found
