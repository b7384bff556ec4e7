"""Characters of a template laid beside characters of an answer, by the published recurrences, a row at a time.

With T the template (n characters) and A the answer (m):

    f[i][j] = f[i−1][j−1] + 1        s[i][j] = j                             where T[i] = A[j]
    f, s    = the larger f of left and up, the larger s where they are equal  elsewhere

The first row and column are f = 1, s = j where the characters are equal, else f = 0 and s = −1 (nothing has matched),
and pass nothing on; so f is not quite the length of a longest common subsequence (it may even fall along a row), and
the bit-parallel methods for that do not apply. Here f and s share one number, f·(m + 1) + s + 1: then "the larger f, or
else the larger s" is a plain maximum. A row is a running maximum that starts anew at every match, which numpy takes in
one step once each start lifts what follows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isqrt

import numpy as np
from numpy.typing import NDArray

CELLS = 400_000_000
"""The largest n·m that is aligned: a template of 400 characters and an answer of a million. Minutes at most, 1 GB."""

Row = NDArray[np.int64]
Codes = NDArray[np.uint32]


@dataclass(frozen=True)
class Alignment:
    """`length` = f at the end; `positions[i]`: where the template's character i lies in the answer."""

    length: int
    positions: tuple[int, ...]


def align(template: str, answer: str) -> Alignment:
    """Align two texts, neither empty. Time n·m in numpy, memory about m·√n."""
    grid = _Grid(_codes(template), _codes(answer))
    length, at = divmod(int(grid.fill()[-1]), grid.base)
    at -= 1
    positions = [0] * len(template)
    for i in range(len(template) - 1, -1, -1):
        if grid.template[i] != grid.answer[at]:
            positions[i] = at + 1
            continue
        positions[i] = at
        if i > 0:
            at = grid.column(i - 1, (at - 1) % len(answer))  # −1 is the last column, as published
    return Alignment(length, tuple(positions))


def _codes(text: str) -> Codes:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


@dataclass
class _Grid:
    """The table, of which every `step`-th row is kept; the rows between are made again, one block at a time."""

    template: Codes
    answer: Codes
    kept: dict[int, Row] = field(default_factory=dict)
    _block: int = -1
    _columns: list[NDArray[np.int32]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.step = isqrt(len(self.template)) + 1
        self.base = len(self.answer) + 1
        self.places = np.arange(1, self.base, dtype=np.int64)

    def fill(self) -> Row:
        """All rows; the last one is returned."""
        row = self.kept[0] = self._first()
        for i in range(1, len(self.template)):
            row = self._next(row, self.template[i])
            if i % self.step == 0:
                self.kept[i // self.step] = row
        return row

    def column(self, i: int, j: int) -> int:
        """s[i][j]."""
        block = i // self.step
        if block != self._block:
            first = self.kept[block]
            end = min((block + 1) * self.step, len(self.template))
            rows = (first, *self._rows(first, block * self.step, end))
            self._columns = [(row % self.base - 1).astype(np.int32) for row in rows]
            self._block = block
        return int(self._columns[i - block * self.step][j])

    def _first(self) -> Row:
        equal = self.answer == self.template[0]
        return np.where(equal, self.base + self.places, 0)

    def _rows(self, row: Row, start: int, end: int) -> Iterator[Row]:
        """The rows start + 1 … end − 1, given row `start`."""
        for i in range(start + 1, end):
            row = self._next(row, self.template[i])
            yield row

    def _next(self, above: Row, character: np.uint32) -> Row:
        base = self.base
        equal = self.answer == character
        row = above.copy()
        row[0] = base + 1 if equal[0] else 0
        hits = np.flatnonzero(equal[1:]) + 1
        row[hits] = (above[hits - 1] // base + 1) * base + hits + 1
        equal[0] = True
        lift = np.cumsum(equal, dtype=np.int64) * ((len(self.template) + 1) * base)
        row += lift
        np.maximum.accumulate(row, out=row)
        row -= lift
        return row
