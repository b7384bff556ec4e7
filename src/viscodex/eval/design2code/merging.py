"""The search for neighbours that match better as one block: a model may write in one element what the page has in two.

The published scorer compares every text with every other again after each merge that it tries; only one row or column
changes, and only that is computed here. Nor is a matching made where it cannot gain. Which merges are made is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from viscodex.eval.design2code.block import Block
from viscodex.eval.design2code.promise import Promise
from viscodex.eval.design2code.similarity import Letters, Matrix, Similarity

GAIN = 0.05
"""A merge must improve the mean cost of what it changes by more than this."""

Merged = tuple[tuple[Block, ...], tuple[Block, ...]]


def merge_search(prediction: Sequence[Block], reference: Sequence[Block], similarity: Similarity) -> Merged:
    """Both sides with their neighbours merged, in turns, until neither changes. With an empty side nothing is."""
    if not prediction or not reference:
        return tuple(prediction), tuple(reference)
    one, other = list(prediction), list(reference)
    costs = similarity.matrix(_texts(one), _texts(other))
    while True:
        before = len(one), len(other)
        costs = _merge_rows(costs, one, _texts(other), similarity)
        costs = _merge_columns(costs, other, _texts(one), similarity)
        if (len(one), len(other)) == before:
            return tuple(one), tuple(other)


def matched_costs(costs: Matrix) -> list[float]:
    """The costs of the best one-to-one matching."""
    found: list[float] = costs[linear_sum_assignment(costs)].tolist()
    return found


def gain(current: Sequence[float], new: Sequence[float]) -> float:
    """By how much `new` costs are lower on average, costs that both have left aside.

    Above zero it counts only where the best of what is given up is worse than the best of what is gained.
    """
    left, gained = Counter(current), Counter(new)
    left, gained = left - gained, gained - left
    difference = _mean(left) - _mean(gained)
    if difference > 0 and left and gained and min(left) <= min(gained):
        return 0.0
    return difference


def _merge_rows(costs: Matrix, blocks: list[Block], others: list[str], similarity: Similarity) -> Matrix:
    """One round over neighbours of the side whose blocks are the rows: `blocks` is changed, the new costs returned."""
    rows, columns = linear_sum_assignment(costs)
    current, promise = costs[rows, columns].tolist(), Promise(costs, rows, columns, GAIN)
    letters = Letters(others)
    found: list[tuple[float, int]] = []
    for index, merged in enumerate(map(Block.merged, blocks, blocks[1:])):
        if promise.is_worth_trying(index, letters.least_costs(merged.text)):
            row = np.array(similarity.row(merged.text, others))
            if promise.is_worth_trying(index, row):
                tried = np.delete(costs, index, axis=0)
                tried[index] = row
                found.append((gain(current, matched_costs(tried)), index))
    for index in _chosen(found):
        blocks[index : index + 2] = [blocks[index].merged(blocks[index + 1])]
        costs = np.delete(costs, index, axis=0)
        costs[index] = similarity.row(blocks[index].text, others)
    return costs


def _merge_columns(costs: Matrix, blocks: list[Block], others: list[str], similarity: Similarity) -> Matrix:
    """The same for the other side. Not by transposing: which of two equally good matchings is found depends on it."""
    rows, columns = linear_sum_assignment(costs)
    current, promise = costs[rows, columns].tolist(), Promise(costs.T, columns, rows, GAIN)
    letters = Letters(others)
    found: list[tuple[float, int]] = []
    for index, merged in enumerate(map(Block.merged, blocks, blocks[1:])):
        if promise.is_worth_trying(index, letters.least_costs(merged.text)):
            column = np.array(similarity.column(others, merged.text))
            if promise.is_worth_trying(index, column):
                tried = np.delete(costs, index, axis=1)
                tried[:, index] = column
                found.append((gain(current, matched_costs(tried)), index))
    for index in _chosen(found):
        blocks[index : index + 2] = [blocks[index].merged(blocks[index + 1])]
        costs = np.delete(costs, index, axis=1)
        costs[:, index] = similarity.column(others, blocks[index].text)
    return costs


def _chosen(found: list[tuple[float, int]]) -> list[int]:
    """The merges to make: the best first, none that shares a block with one already chosen.

    In falling order, so that making one leaves the indices of the next as they are.
    """
    chosen: list[int] = []
    for better, index in sorted(found, key=lambda pair: -pair[0]):
        if better > GAIN and all(abs(index - other) > 1 for other in chosen):
            chosen.append(index)
    return sorted(chosen, reverse=True)


def _mean(costs: Counter[float]) -> float:
    return float(np.mean(list(costs.elements()))) if costs else 0.0


def _texts(blocks: Sequence[Block]) -> list[str]:
    return [block.text for block in blocks]
