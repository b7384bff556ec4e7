"""What is in a data set: rows per category and split, lengths, picture sizes, licences, why rows were rejected."""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viscodex.core.row import Row, read_rows
from viscodex.data.exports import splits
from viscodex.data.looking import look

COLUMNS = ("id", "category", "messages", "license", "split", "source")
SIZES = (256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
"""Upper ends of a histogram's bars: characters, tokens, or pixels of a picture's longer side."""


@dataclass
class Lengths:
    """Numbers, kept whole: four bytes each."""

    values: array[int] = field(default_factory=lambda: array("I"))

    def add(self, value: int) -> None:
        self.values.append(value)

    def as_json(self) -> dict[str, Any]:
        """Median, 95th percentile, largest, and how many are in each bar: at most its number, above the one before."""
        ordered = sorted(self.values)
        if not ordered:
            return {"n": 0}
        bars = Counter(next((size for size in SIZES if value <= size), 0) for value in ordered)
        histogram = {f"≤ {size}": bars[size] for size in SIZES if bars[size]}
        histogram |= {f"> {SIZES[-1]}": bars[0]} if bars[0] else {}
        at = {"median": len(ordered) // 2, "p95": int(0.95 * len(ordered)), "max": len(ordered) - 1}
        return {"n": len(ordered), **{name: ordered[place] for name, place in at.items()}, "histogram": histogram}


@dataclass
class Category:
    """The rows of a category."""

    rows: int = 0
    pictures: int = 0
    text_only: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    prompt: Lengths = field(default_factory=Lengths)
    response: Lengths = field(default_factory=Lengths)
    longer_side: Lengths = field(default_factory=Lengths)
    modes: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0

    def as_json(self) -> dict[str, Any]:
        plain = {"rows": self.rows, "pictures": self.pictures, "text_only": self.text_only}
        counts = {name: dict(getattr(self, name).most_common()) for name in ("splits", "licences", "modes")}
        lengths = {name: getattr(self, name).as_json() for name in ("prompt", "response", "longer_side")}
        return {**plain, **counts, **lengths, "unreadable_pictures": self.unreadable}


@dataclass
class Inspection:
    """What `inspect` found; lengths of texts are in `unit`."""

    unit: str
    categories: dict[str, Category]
    rejected: dict[str, int]
    shown: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        categories = {name: self.categories[name].as_json() for name in sorted(self.categories)}
        return {"unit": self.unit, "categories": categories, "rejected": self.rejected, "rows": self.shown}


def inspect(
    data: Path,
    *,
    categories: Sequence[str] = (),
    pictures: bool = True,
    tokenizer: Callable[[str], int] | None = None,
    show: int = 0,
    seed: int = 0,
) -> Inspection:
    """Stream through a data set. `tokenizer` counts a text's tokens; without it texts are measured in characters.

    Without `pictures` their bytes are not read: faster, and their sizes are not known.
    """
    count = tokenizer or len
    found: dict[str, Category] = {}
    chosen: list[dict[str, Any]] = []
    pick = random.Random(seed)
    for number, row in enumerate(_rows(data, categories, pictures)):
        _add(found.setdefault(row["category"], Category()), row, count)
        place = number if number < show else pick.randrange(number + 1)  # reservoir: every row is as likely
        if place < show:
            chosen[place : place + 1] = [_facts(row)]
    unit = "tokens" if tokenizer else "characters"
    return Inspection(unit, found, rejections(data), chosen)


def rejections(data: Path) -> dict[str, int]:
    """Reason → rows, the most frequent first; a build says the stage too."""
    import pyarrow.parquet as pq

    counts: Counter[str] = Counter()
    for path in sorted((data / "rejected").rglob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(columns=["stage", "reason"]):
            counts.update(f"{row['stage']}: {row['reason']}" for row in batch.to_pylist())
    return dict(counts.most_common())


def _rows(data: Path, categories: Sequence[str], pictures: bool) -> Iterator[Row]:
    columns = [*COLUMNS, "images"] if pictures else list(COLUMNS)
    for split in splits(data) or ["train"]:
        yield from read_rows(data, categories=categories, split=split, columns=columns)


def _add(category: Category, row: Row, count: Callable[[str], int]) -> None:
    asked, answer = ("".join(turn["content"] for turn in row["messages"] if turn["role"] == who) for who in _WHO)
    category.rows += 1
    category.splits[row["split"]] += 1
    category.licences[row["license"] or "not told"] += 1
    category.prompt.add(count(asked))
    category.response.add(count(answer))
    marks = asked.count("<image>")
    category.text_only += not marks
    category.pictures += marks
    for picture in row.get("images", ()):
        seen = look(picture["bytes"], False)
        if seen.fault:
            category.unreadable += 1
        else:
            category.longer_side.add(max(seen.width, seen.height))
            category.modes[seen.mode] += 1


_WHO = ("user", "assistant")


def _facts(row: Row) -> dict[str, Any]:
    """A row for people: everything but the pictures' bytes."""
    looks = [(look(picture["bytes"], False), len(picture["bytes"])) for picture in row.get("images", ())]
    sizes = [seen.fault or f"{seen.format} {seen.mode} {seen.width}×{seen.height}, {size:,} B" for seen, size in looks]
    return {name: row[name] for name in COLUMNS} | {"pictures": sizes}  # type: ignore[literal-required]
