"""Which block of the prediction stands for which of the reference: the best one-to-one matching of texts.

Neighbours help: a pair is the better, the better the blocks before and after it match too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from viscodex.eval.design2code.block import Block
from viscodex.eval.design2code.similarity import Matrix, Similarity

BONUS = 0.1
ALIKE = 0.5
"""A pair is kept from this ratio on; the neighbours' bonus is for pairs above it."""
NEARNESS = 1e-6
"""Among equally good matchings the nearest: smaller than any difference of costs that texts make."""
AROUND = tuple((row, column) for row in (0, 1, 2) for column in (0, 1, 2) if (row, column) != (1, 1))


@dataclass(frozen=True)
class Pair:
    """Indices of two matched blocks, and how alike their texts are."""

    prediction: int
    reference: int
    ratio: float


def match(
    prediction: Sequence[Block], reference: Sequence[Block], similarity: Similarity, *, published: bool = False
) -> tuple[Pair, ...]:
    """The pairs that are alike enough, in the prediction's order.

    As `published`, a block at an end of the page has fewer neighbours and so a smaller bonus, and equal texts are
    paired as it happens: a page of several equal texts may be matched crosswise with itself. Else the ends of both
    pages count as neighbours that match, and of equally good pairs the nearer is taken.
    """
    costs = similarity.matrix([block.text for block in prediction], [block.text for block in reference])
    adjusted = with_neighbours(costs, outside=np.inf if published else -1.0)
    if not published:
        adjusted += NEARNESS * distances(prediction, reference)
    rows, columns = linear_sum_assignment(adjusted)
    pairs = (Pair(int(row), int(column), -float(costs[row, column])) for row, column in zip(rows, columns, strict=True))
    return tuple(pair for pair in pairs if pair.ratio >= ALIKE)


def with_neighbours(costs: Matrix, outside: float = np.inf) -> Matrix:
    """Costs below −0.5 plus a tenth of the two lowest costs beside them.

    `outside` is the cost of what lies beyond both ends, diagonally off a corner; infinite: there is nothing.
    """
    height, width = costs.shape
    padded = np.full((height + 2, width + 2), np.inf)
    padded[1:-1, 1:-1] = costs
    padded[0, 0] = padded[-1, -1] = outside
    rows, columns = np.nonzero(costs < -ALIKE)
    around = np.stack([padded[rows + down, columns + right] for down, right in AROUND])  # (8, cells)
    lowest = np.sort(around, axis=0)[:2]
    adjusted = costs.copy()
    adjusted[rows, columns] += BONUS * np.where(np.isfinite(lowest), lowest, 0.0).sum(axis=0)
    return adjusted


def distances(prediction: Sequence[Block], reference: Sequence[Block]) -> Matrix:
    """How far boxes are apart, and how different in size: (predictions, references), each at most 4."""
    one = np.array([block.box for block in prediction]).reshape(-1, 1, 4)
    other = np.array([block.box for block in reference]).reshape(1, -1, 4)
    return np.asarray(np.abs(one - other).sum(axis=2))
