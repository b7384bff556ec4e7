"""Which merges cannot be worth a try: a bound from the matching that is there, instead of a matching for each.

The dual of the assignment problem: line values u and other values v with u_i + v_j ≤ cost_ij, whose sum is the cost of
the best matching, bound the cost of every matching of changed lines from below.
"""

from __future__ import annotations

import numpy as np

from viscodex.eval.design2code.similarity import Indices, Matrix

ROUNDING = 1e-9


class Promise:
    """For costs (lines, others) and their best matching: whether two neighbouring lines may gain by being merged."""

    def __init__(self, costs: Matrix, lines: Indices, others: Indices, least: float) -> None:
        self._total = float(costs[lines, others].sum())
        self._has_spare_lines = costs.shape[0] > costs.shape[1]
        if self._has_spare_lines:
            self._v, self._u = _duals(costs.T, others, lines)
        else:
            self._u, self._v = _duals(costs, lines, others)
        # With spare lines as many costs come as go, at least one each, and the total must fall by the least gain. Else
        # one cost fewer comes, and costs lie between -1 and 0: (fall + 1) / 2 bounds the mean's.
        self._least = (least if self._has_spare_lines else 2 * least - 1) - ROUNDING

    def is_worth_trying(self, index: int, merged: Matrix) -> bool:
        """Whether lines `index` and `index + 1`, as one line of costs, may gain; False is certain."""
        value = float((merged - self._v).min())
        if self._has_spare_lines:
            value = min(value, 0.0)
        rest = float(self._u.sum() + self._v.sum() - self._u[index] - self._u[index + 1])
        return self._total - (rest + value) > self._least


def _duals(costs: Matrix, rows: Indices, columns: Indices) -> tuple[Matrix, Matrix]:
    """Row and column values of costs with no more rows than columns, all rows matched: shortest paths from zero."""
    order = np.argsort(rows)
    matched = columns[order]
    reduced = costs - costs[np.arange(len(matched)), matched][:, None]
    v = np.zeros(costs.shape[1])
    for _ in range(costs.shape[1] + 1):
        lower = np.minimum(v, (reduced + v[matched][:, None]).min(axis=0))
        if (v - lower).max() <= 1e-12:
            break
        v = lower
    u = (costs - v).min(axis=1)  # feasible whatever the rounding above
    return u, v
