"""In which order samples are seen: shuffled over everything, by seed and epoch alone, whatever the number of ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viscodex.core.sample import KINDS

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Order:
    """The stream of samples of a run. `kinds` gives the category number of every row that may be trained on."""

    rows: Rows
    kinds: NDArray[np.int64]
    weights: tuple[float, ...]
    seed: int

    @classmethod
    def of(cls, rows: Rows, kinds: NDArray[np.int64], mixture: Mapping[str, float], seed: int) -> Order:
        return cls(rows, kinds, tuple(mixture.get(kind, 1.0) for kind in KINDS), seed)

    def epoch(self, number: int) -> Rows:
        """Row numbers of one epoch. A category of weight 2.5 shows each of its rows twice, and half of them again."""
        drawn = []
        for kind, weight in enumerate(self.weights):
            mine = self.rows[self.kinds == kind]
            whole, rest = int(weight), round((weight - int(weight)) * len(mine))
            again = generator(self.seed, number, kind, 1).permutation(mine)[:rest]
            drawn += [*[mine] * whole, again]
        return generator(self.seed, number, 0, 0).permutation(np.concatenate(drawn))

    @property
    def epoch_size(self) -> int:
        return sum(
            int(weight) * count + round((weight - int(weight)) * count)
            for kind, weight in enumerate(self.weights)
            for count in [int((self.kinds == kind).sum())]
        )

    def stream(self, start: int, count: int) -> Rows:
        """Samples `start` … `start + count` of the epochs one after another."""
        pieces = []
        while count > 0:
            epoch, place = divmod(start, self.epoch_size)
            piece = self.epoch(epoch)[place : place + count]
            pieces.append(piece)
            start, count = start + len(piece), count - len(piece)
        return np.concatenate(pieces) if pieces else np.empty(0, np.int64)


def limited(rows: Rows, limit: int | None, seed: int) -> Rows:
    """A fixed draw of `limit` rows; a larger limit contains a smaller one, and order in the files is kept."""
    if limit is None or limit >= len(rows):
        return rows
    return np.sort(generator(seed, 0, 0, 2).permutation(rows)[:limit])


def generator(seed: int, *what: int) -> np.random.Generator:
    """Random numbers for one purpose; the same on every machine."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed & 0xFFFFFFFF, *what])))
