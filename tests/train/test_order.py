"""Every sample is seen as often as the recipe says, in an order that seed and epoch alone decide; packs fit."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viscodex.train.order import Order, limited
from viscodex.train.pack import first_fit, pack_step

LENGTHS = st.lists(st.integers(1, 100), min_size=0, max_size=60)


def order(weights=(1.0, 1.0, 1.0, 1.0), seed=0, count=40) -> Order:
    return Order(np.arange(count), np.arange(count) % 4, weights, seed)


def test_an_epoch_is_a_shuffle():
    assert sorted(order().epoch(0)) == list(range(40))
    assert list(order().epoch(0)) != list(order().epoch(1))
    assert list(order().epoch(0)) == list(order().epoch(0))
    assert list(order().epoch(0)) != list(order(seed=1).epoch(0))


def test_weights_repeat_and_thin_out():
    made = order(weights=(2.5, 0.0, 0.5, 1.0))
    seen = Counter(made.epoch(0).tolist())
    assert made.epoch_size == len(made.epoch(0)) == 25 + 0 + 5 + 10
    assert sorted(seen[row] for row in range(0, 40, 4)) == [2] * 5 + [3] * 5
    assert not any(seen[row] for row in range(1, 40, 4))
    assert sum(seen[row] for row in range(2, 40, 4)) == 5
    assert set(made.epoch(0)) != set(made.epoch(1)), "another half each epoch"


@given(start=st.integers(0, 130), count=st.integers(0, 90))
def test_the_stream_goes_over_the_ends_of_epochs(start, count):
    whole = np.concatenate([order().epoch(number) for number in range(6)])
    assert list(order().stream(start, count)) == list(whole[start : start + count])


def test_limits_are_nested():
    rows = np.arange(100)
    small, large = limited(rows, 10, 0), limited(rows, 50, 0)
    assert set(small) < set(large) < set(rows)
    assert len(small) == 10
    assert list(limited(rows, None, 0)) == list(limited(rows, 100, 0)) == list(rows)


@given(lengths=LENGTHS, budget=st.integers(100, 400), ranks=st.integers(1, 5))
@settings(max_examples=200)
def test_packs_hold_every_sample_once_and_never_too_much(lengths, budget, ranks):
    packs = pack_step(lengths, budget, ranks)
    assert len(packs) == ranks
    assert len({len(mine) for mine in packs}) == 1, "every rank has as many"
    flat = [pack for mine in packs for pack in mine]
    assert sorted(place for pack in flat for place in pack) == list(range(len(lengths)))
    assert all(sum(lengths[place] for place in pack) <= budget for pack in flat)
    assert pack_step(lengths, budget, ranks) == packs


def test_packs_are_full():
    """MCD-like lengths: over 95 % of the tokens that packs could hold are used."""
    lengths = np.random.default_rng(0).lognormal(7.2, 0.6, 512).clip(100, 8192).astype(int).tolist()
    packs = first_fit(lengths, 16_384)
    assert sum(lengths) / (len(packs) * 16_384) > 0.95


def test_ranks_have_even_work():
    lengths = np.random.default_rng(0).lognormal(7.2, 0.6, 128).clip(100, 8192).astype(int).tolist()
    loads = [sum(lengths[place] for pack in mine for place in pack) for mine in pack_step(lengths, 16_384, 4)]
    assert max(loads) < 1.02 * min(loads)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        pack_step([10, 101], 100)
