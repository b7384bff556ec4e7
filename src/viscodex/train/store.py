"""Prepared data: the index in memory, rows read in any order from any thread, and what is held out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray

from viscodex.core.errors import VisCodexError
from viscodex.core.rundir import read_json
from viscodex.core.sample import KINDS
from viscodex.runner.shards import bucket
from viscodex.train.order import Rows, generator, limited
from viscodex.train.pictures import Picture, read_range
from viscodex.train.recipe import TrainRecipe
from viscodex.train.sources import HELD_OUT, Row, Turn

PARTS_PER = 100_000  # a share is measured in hundred-thousandths


@dataclass(frozen=True)
class Skipped:
    """A sample that is not trained on, and why."""

    id: str
    kind: str
    reason: str
    detail: str = ""


class Prepared:
    """A prepared folder. Row numbers are places in its index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts: dict[str, Any] = read_json(folder / "prepared.json")
        self.table: pyarrow.Table = pyarrow.parquet.read_table(folder / "index.parquet")

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def tokens(self) -> NDArray[np.int64]:
        return self._numbers("tokens")

    @cached_property
    def answers(self) -> NDArray[np.int64]:
        return self._numbers("answers")

    @cached_property
    def image_tokens(self) -> NDArray[np.int64]:
        return self._numbers("image_tokens")

    @cached_property
    def kinds(self) -> NDArray[np.int64]:
        """The category's place in KINDS; −1 for none."""
        return np.asarray([KINDS.index(k) if k in KINDS else -1 for k in self.table["kind"].to_pylist()], np.int64)

    @cached_property
    def _places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return self._numbers("start"), self._numbers("nbytes")

    def _numbers(self, column: str) -> NDArray[np.int64]:
        return np.asarray(self.table[column].to_numpy(), np.int64)

    def id(self, row: int) -> str:
        return str(self.table["id"][row].as_py())

    def read(self, row: int) -> Row:
        """A row with its pictures' places; any thread may ask."""
        start, nbytes = (int(column[row]) for column in self._places)
        store = str(self.folder / "rows.bin")
        turns, places = json.loads(read_range(store, start, nbytes))
        pictures = [Picture(path=store, start=begin, nbytes=size) for begin, size in places]
        kind = KINDS[self.kinds[row]]
        return Row(self.id(row), kind, tuple(Turn(*turn) for turn in turns), tuple(pictures))

    def skipped(self, max_length: int) -> Iterator[Skipped]:
        """What the measurement found bad, and what is longer than a run takes."""
        columns = (self.table[name].to_pylist() for name in ("id", "kind", "reason", "detail", "tokens", "answers"))
        for name, kind, reason, detail, tokens, answers in zip(*columns, strict=True):
            if reason:
                yield Skipped(name, kind, reason, detail)
            elif tokens > max_length:
                yield Skipped(name, kind, "too_long", f"{tokens} tokens, {answers} of them the answer")

    def usable(self, max_length: int) -> NDArray[np.bool_]:
        return (self._numbers("start") >= 0) & (self.tokens <= max_length)


@dataclass(frozen=True)
class Split:
    """Row numbers that are trained on, and that are held out."""

    train: Rows
    held_out: Rows


def split_rows(data: Prepared, recipe: TrainRecipe) -> Split:
    """Named splits if the data has any, else a share by hash of the id; then the limits."""
    usable = data.usable(recipe.max_length)
    names = np.asarray([name in HELD_OUT for name in data.table["split"].to_pylist()], bool)
    if names.any():
        held = usable & names
    else:
        share = round(recipe.eval_share * PARTS_PER)
        ids = data.table["id"].to_pylist()
        held = usable & np.asarray([bucket(f"held out {name}", PARTS_PER) < share for name in ids], bool)
    train = limited(np.flatnonzero(usable & ~held), recipe.limit, recipe.seed)
    if not len(train):
        raise VisCodexError("no sample is left to train on", hint=_why_none(data, recipe))
    measured = np.flatnonzero(held)
    return Split(train, np.sort(generator(recipe.seed, 0, 0, 3).permutation(measured)[: recipe.eval_limit]))


def _why_none(data: Prepared, recipe: TrainRecipe) -> str:
    counts = Counter(skipped.reason for skipped in data.skipped(recipe.max_length))
    return f"{len(data)} rows; " + (", ".join(f"{n} {reason}" for reason, n in counts.most_common()) or "none usable")
