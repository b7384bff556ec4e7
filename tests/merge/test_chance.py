"""Random numbers by place, and exact ranks without sorting."""

from __future__ import annotations

import numpy as np
import pytest

from viscodex.merge.chance import key_of, uniform
from viscodex.merge.quantiles import histograms_of, magnitude_limits


def test_the_numbers_are_those_of_splitmix64() -> None:
    first = 6457827717110365317  # of splitmix64 from seed 1234567, as published with its reference code
    wanted = np.array([(first & 0xFFFFFFFF) >> 8, first >> 40], dtype=np.float64) / 2**24
    np.testing.assert_array_equal(uniform(1234567, 0, 2), wanted.astype(np.float32))


@pytest.mark.parametrize("place", [0, 1, 7, 1000])
@pytest.mark.parametrize("count", [0, 1, 2, 501])
def test_a_number_belongs_to_its_place(place: int, count: int) -> None:
    np.testing.assert_array_equal(uniform(5, place, count), uniform(5, 0, 2000)[place : place + count])


def test_they_are_uniform_and_independent_of_their_neighbours() -> None:
    values = uniform(key_of(0, "model.norm.weight", 1), 0, 1 << 20)
    assert values.dtype == np.float32
    assert values.min() >= 0 and values.max() < 1
    counts = np.bincount((values * 64).astype(int), minlength=64)
    assert ((counts - 16384) ** 2 / 16384).sum() < 120  # χ² of 63 degrees: above 120 once in 50,000
    for distance in (1, 2, 64):
        assert abs(np.corrcoef(values[:-distance], values[distance:])[0, 1]) < 0.005


def test_seed_tensor_and_model_each_give_other_numbers() -> None:
    assert len({key_of(0, "a", 0), key_of(1, "a", 0), key_of(0, "b", 0), key_of(0, "a", 1)}) == 4


@pytest.mark.parametrize("share", [0.0, 1e-9, 0.01, 0.2, 0.5, 0.999, 1.0])
def test_limits_are_those_of_a_sort(share: float) -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(0, 0.01, 10_001).astype(np.float32)
    values[:2000] = 0.0
    values[2000:4000] = 0.0078125
    blocks = np.array_split(values, 7)
    ((limit,),) = magnitude_limits(histograms_of(lambda: ([block] for block in blocks)), [share])
    rank = int(np.ceil(share * values.size))
    assert limit == (np.sort(np.abs(values))[::-1][rank - 1] if rank else np.inf)
