"""Reductions over many answers."""

from __future__ import annotations

import pytest

from viscodex.eval.benchmark import Score
from viscodex.eval.infibench.sampling import best_of_10_over_30, reductions


def test_blocks_of_ten_in_the_order_drawn():
    values = [0.1] * 30
    values[3], values[15] = 0.7, 0.4
    assert best_of_10_over_30({"a": values}) == pytest.approx((0.7 + 0.4 + 0.1) / 3)
    assert best_of_10_over_30({"a": values, "b": [1.0] * 30}) == pytest.approx((0.4 + 1.0) / 2)


@pytest.mark.parametrize("values", [{}, {"a": [1.0] * 29}, {"a": [1.0] * 30, "b": [1.0] * 60}])
def test_any_other_number_is_refused(values):
    with pytest.raises(ValueError, match="30"):
        best_of_10_over_30(values)


def scores(n, **more):
    return tuple(Score(sample_id="a", index=i, values={"score": (i % 10) / 10}, **more) for i in reversed(range(n)))


def test_it_is_offered_for_thirty_answers_and_under_its_own_name():
    assert reductions(scores(30)) == {"best-of-10 over 30": pytest.approx(0.9)}
    assert reductions(scores(1)) == reductions(()) == {}


def test_a_suite_with_weights_has_a_weighted_mean():
    heavy = Score(sample_id="b", values={"score": 1.0}, evidence={"weight": 3.0})
    light = Score(sample_id="a", values={"score": 0.0}, evidence={"weight": 1.0})
    assert reductions((heavy, light)) == {"weighted": 0.75}
