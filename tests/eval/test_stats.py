"""Intervals and comparisons against published values and their own laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viscodex.eval.stats import compare, estimate, pass_at_k, sign_test, wilson


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(29, 263, 0.0779, 0.1539), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 2, 0.0945, 0.9055)],
)
def test_wilson_golden(k, n, low, high):
    """Values of the closed formula, computed by hand to four digits."""
    assert wilson(k, n) == pytest.approx((low, high), abs=6e-5)


@given(st.integers(1, 400), st.data())
def test_wilson_holds_the_share_and_mirrors(n, data):
    k = data.draw(st.integers(0, n))
    low, high = wilson(k, n)
    assert 0.0 <= low <= k / n <= high <= 1.0
    assert wilson(n - k, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_the_bootstrap_interval_is_that_of_the_normal_distribution_for_many_values():
    values = np.random.default_rng(1).beta(2, 3, 2000)
    found = estimate(values.tolist())
    half = 1.96 * values.std(ddof=1) / math.sqrt(2000)
    assert found.method == "bootstrap"
    assert found.mean == pytest.approx(values.mean(), abs=1e-12)
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half), rel=0.03)


def test_an_estimate_does_not_depend_on_the_order_of_equal_runs():
    values = [0.25, 0.5, 1.0, 0.0, 0.75]
    assert estimate(values) == estimate(values)
    assert estimate(values).mean == estimate(values[::-1]).mean


def test_without_values_there_is_no_estimate():
    assert estimate([]) is None


def test_yes_and_no_are_counted_not_resampled():
    assert estimate([1.0, 0.0, 1.0]).method == "wilson"


def test_compare_counts_and_finds_what_changed():
    found = compare([0.0, 0.5, 1.0, 0.5], [0.5, 0.5, 0.5, 1.0])
    assert (found.better, found.equal, found.worse, found.n) == (2, 1, 1, 4)
    assert found.difference == pytest.approx(0.125)
    assert found.low <= found.difference <= found.high


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_comparing_the_other_way_round_turns_the_signs(pairs):
    a, b = zip(*pairs, strict=True)
    there, back = compare(a, b), compare(b, a)
    assert there.difference == pytest.approx(-back.difference, abs=1e-12)
    assert (there.better, there.worse, there.p) == (back.worse, back.better, back.p)


def test_the_sign_test_is_exact():
    assert sign_test(8, 2) == pytest.approx(2 * (1 + 10 + 45) / 1024)  # 2 · P(X ≤ 2), X ~ B(10, ½)
    assert sign_test(0, 0) == sign_test(3, 3) == 1.0


def test_unpaired_values_are_refused():
    with pytest.raises(ValueError, match="pairs"):
        compare([1.0], [1.0, 0.0])


@given(st.integers(1, 30), st.data())
def test_pass_at_k_is_the_share_of_subsets_that_hold_a_correct_answer(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    assert pass_at_k(c, n, 1) == pytest.approx(c / n)
    assert pass_at_k(c, n, n) == (1.0 if c else 0.0)
    assert pass_at_k(c, n, k) >= pass_at_k(c, n, 1) - 1e-12
