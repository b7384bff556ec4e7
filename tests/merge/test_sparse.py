"""Methods that drop parts of the task vectors: hand-computed cases, exact ranks, and masks that depend on the place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.merge.bench import plan_of
from tests.merge.conftest import floats, words
from tests.merge.test_properties import block, tensor
from viscodex.checkpoint.layout import EMBEDDING, HEAD
from viscodex.merge import sparse
from viscodex.merge.arithmetic import METHODS
from viscodex.merge.block import Block
from viscodex.merge.device import Cpu, Torch
from viscodex.merge.quantiles import Bins, Counts, histograms_of, magnitude_limits
from viscodex.merge.tensors import Inputs, Operands

Array = np.ndarray[Any, Any]
SPARSE = ("ties", "dare_linear", "dare_ties", "della", "breadcrumbs", "sce")
CELL = 1 << 16  # larger than a block of the engine
OPTIONS = {"density": 1.0, "scale": 1.0, "gamma": 0.0, "epsilon": 0.0}


class OneBlock:
    """A tensor that is one block, as a `BlockStream`."""

    def __init__(self, whole: Block) -> None:
        self.whole = whole

    def __call__(self) -> Iterator[Block]:
        yield self.whole

    def task_histograms(self, bins: Bins | None) -> list[Counts]:
        return histograms_of(lambda: [self.whole.tasks()])(bins)


def merged(method: str, tuned: Sequence[Array], base: Array, weights: Sequence[float], **options: float) -> Array:
    """A method on one block, measured first as the engine does."""
    rule, values = METHODS[method], OPTIONS | options
    generator = np.random.default_rng(7)
    draws = [generator.random(base.size, dtype=np.float32).reshape(base.shape) for _ in tuned]
    whole = block(list(tuned), base, draws=lambda model: draws[model])
    stats = rule.measure(OneBlock(whole), values) if rule.measure else None
    return np.asarray(rule.combine(whole, weights, stats, values))


# ---- TIES


def test_ties_by_hand():
    """Two of five are kept of each; where the signs differ the larger sum wins, and only its side is averaged."""
    base = tensor(0, 0, 0, 0, 0)
    vlm, code = tensor(5, -4, 1, 0.5, 0), tensor(-3, -2, 0.1, 1, 6)
    # kept: vlm 5 and −4, code −3 and 6 → signs +, −, 0, 0, +
    np.testing.assert_allclose(merged("ties", [vlm, code], base, [0.5, 0.5], density=0.4), tensor(5, -4, 0, 0, 6))
    # weights decide the sign: 0.2 · 5 < 0.8 · 3, and cancel in the mean of one
    np.testing.assert_allclose(merged("ties", [vlm, code], base, [0.2, 0.8], density=0.4), tensor(-3, -4, 0, 0, 6))
    # all kept: the mean of those that agree, weighted
    wanted = tensor(5, -(0.6 * 4 + 0.4 * 2), 0.6 * 1 + 0.4 * 0.1, 0.6 * 0.5 + 0.4 * 1, 6)
    np.testing.assert_allclose(merged("ties", [vlm, code], base, [0.6, 0.4], density=1.0), wanted, rtol=1e-6)


def test_ties_scales_and_starts_from_the_base():
    found = merged("ties", [tensor(3, 1), tensor(2, 2)], tensor(1, 1), [1.0, 1.0], scale=0.5)
    np.testing.assert_allclose(found, tensor(1 + 0.5 * 1.5, 1 + 0.5 * 1))


def test_ties_of_opposed_equals_is_the_base():
    assert merged("ties", [tensor(2.0), tensor(0.0)], tensor(1.0), [0.5, 0.5]).tolist() == [1.0]


def test_ties_with_a_negative_weight():
    """A model that is subtracted votes for the opposite of its change."""
    found = merged("ties", [tensor(1.0), tensor(-3.0)], tensor(0.0), [1.0, -1.0])
    np.testing.assert_allclose(found, tensor((1 + 3) / 2))


# ---- density 1 keeps everything


TASKS = npst.arrays(np.float32, (3, 8), elements=st.floats(-4, 4, width=32))


@pytest.mark.parametrize("method", ["dare_linear", "breadcrumbs"])
@given(tasks=TASKS, lam=st.floats(0, 1))
def test_with_density_1_it_is_the_plain_sum(method, tasks, lam):
    base, weights = tasks[2], [lam, 1.0 - lam]
    vlm, code = base + tasks[0], base + tasks[1]
    plain = base + weights[0] * (vlm - base) + weights[1] * (code - base)
    np.testing.assert_allclose(merged(method, [vlm, code], base, weights), plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", ["dare_ties", "della"])
@given(tasks=TASKS)
def test_with_density_1_it_is_ties_without_trimming(method, tasks):
    base = tasks[2]
    tuned = [base + tasks[0], base + tasks[1]]
    wanted = merged("ties", tuned, base, [0.7, 0.3])
    np.testing.assert_allclose(merged(method, tuned, base, [0.7, 0.3]), wanted, rtol=1e-5, atol=1e-5)


# ---- DARE, DELLA, Breadcrumbs, SCE


@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_dare_keeps_that_share_and_the_expectation(density):
    base, ones = np.zeros(200_000, np.float32), np.ones(200_000, np.float32)
    found = merged("dare_linear", [ones, base], base, [1.0, 0.0], density=density)
    assert set(np.unique(found)) == {np.float32(0), np.float32(1 / density)}
    spread = math.sqrt(density * (1 - density) / base.size)
    assert (found > 0).mean() == pytest.approx(density, abs=5 * spread)
    assert found.mean() == pytest.approx(1.0, abs=5 * spread / density)


def test_della_spares_the_large_ones():
    """Ranks 0 … 3 of a row: drop probabilities (1 − d) − ε/2 … (1 − d) + ε/2 in even steps."""
    task = np.array([[4, -3, 2, 1], [1, 2, -3, 4]], np.float32)
    drop = sparse._della_drop(task, {"density": 0.5, "epsilon": 0.6})
    rising = [0.2, 0.4, 0.6, 0.8]
    np.testing.assert_allclose(drop, [rising, rising[::-1]], rtol=1e-6)
    kept = merged("della", [task, 0 * task], 0 * task, [1.0, 0.0], density=0.5, epsilon=0.6)
    chosen = kept != 0
    np.testing.assert_allclose(kept[chosen], (task / (1 - drop))[chosen], rtol=1e-6)


def test_breadcrumbs_drops_the_largest_and_the_smallest():
    """Of ten, γ = 0.2 drops the two largest; density 0.5 keeps the five next; the rest goes."""
    task = tensor(10, -9, 8, 7, -6, 5, 4, 3, -2, 1)
    found = merged("breadcrumbs", [task, 0 * task], 0 * task, [1.0, 0.0], density=0.5, gamma=0.2)
    assert found.tolist() == [0, 0, 8, 7, -6, 5, 4, 0, 0, 0]


def test_breadcrumbs_drops_no_outlier_where_the_share_is_below_one_element():
    task = tensor(10, -9, 8, 7, -6, 5, 4, 3, -2, 1)
    found = merged("breadcrumbs", [task, 0 * task], 0 * task, [1.0, 0.0], density=0.9, gamma=0.01)
    assert found.tolist() == [10, -9, 8, 7, -6, 5, 4, 3, -2, 1]


def test_sce_by_hand():
    """Variances 4, 0, 1, 0.25: half are selected, the first and third; η from their squares; then TIES' election."""
    vlm, code = tensor(3, 1, 2, 1), tensor(-1, 1, 0, 0)
    squares = (9 + 4, 1 + 0)
    assert squares == (13, 1)
    found = merged("sce", [vlm, code], tensor(0, 0, 0, 0), [], density=0.5)
    np.testing.assert_allclose(found, tensor(3, 0, 2, 0), rtol=1e-6)  # minority −1 erased; 0 has no side
    both = merged("sce", [tensor(4, 1), tensor(2, 1)], tensor(0, 0), [], density=0.5)
    np.testing.assert_allclose(both, tensor((16 * 4 + 4 * 2) / 20, 0), rtol=1e-6)


def test_sce_of_models_that_did_not_move_is_the_base():
    base = tensor(1, 2, 3)
    assert merged("sce", [base, base], base, []).tolist() == [1, 2, 3]


# ---- exact ranks


VALUES = st.one_of(
    npst.arrays(np.float32, st.integers(1, 300), elements=st.floats(-(2.0**99), 2.0**99, width=32)),
    npst.arrays(np.float32, st.integers(1, 300), elements=st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, 1e-40])),
)


def in_pieces(arrays: Sequence[Array], size: int) -> Iterator[list[Array]]:
    for start in range(0, arrays[0].size, size):
        yield [array[start : start + size] for array in arrays]


@given(VALUES, st.integers(1, 100), st.integers(1, 100))
def test_limits_are_the_values_at_their_ranks(values, percent, size):
    """Against a full sort, at shares whose product with n a float may miss by one."""
    arrays = [values, values[::-1].copy(), np.zeros_like(values)]
    limits = magnitude_limits(histograms_of(lambda: in_pieces(arrays, size)), [percent / 100, 1.0])
    rank = -(-percent * values.size // 100)
    for array, (limit, least) in zip(arrays, limits, strict=True):
        ordered = np.sort(np.abs(array))[::-1]
        assert limit == ordered[rank - 1]
        assert least == ordered[-1]
        assert (np.abs(array) >= limit).sum() >= rank
        assert (np.abs(array) > limit).sum() < rank


@pytest.mark.parametrize(
    ("density", "count", "rank"), [(0.7, 10, 7), (0.07, 100, 7), (0.2, 5, 1), (0.01, 5, 1), (1e-9, 5, 1)]
)
def test_a_share_keeps_the_number_it_says(density, count, rank):
    values = np.arange(1, count + 1, dtype=np.float32)
    ((limit,),) = magnitude_limits(histograms_of(lambda: [[values]]), [density])
    assert (values >= limit).sum() == rank


# ---- random numbers


@pytest.fixture
def drawing(bench):
    """`uniform(place, model)` of the engine for one tensor, on a device."""
    plan = plan_of(bench, method="dare_ties", base=str(bench.base))
    steps = {step.key: step for step in plan.steps}
    inputs = Inputs(plan.models)

    def draw(place: tuple[int, int], model: int, key: str = HEAD, seed: int = 0, device: Any = None) -> Array:
        numbers = Operands(inputs, steps[key], device or Cpu(), seed)._uniform(place, model)
        return np.asarray(numbers)

    yield draw
    inputs.close()


@pytest.mark.parametrize("pieces", [1, 2, 7, 100])
def test_random_numbers_depend_on_the_place_and_not_on_the_pieces(drawing, pieces):
    whole = drawing((0, 3 * CELL), 0)
    cuts = sorted(np.random.default_rng(pieces).integers(0, 3 * CELL, pieces).tolist())
    parts = [drawing((a, b), 0) for a, b in zip([0, *cuts], [*cuts, 3 * CELL], strict=True) if a < b]
    assert (np.concatenate(parts) == whole).all()
    assert (drawing((0, 3 * CELL), 0, device=Torch("cpu")) == whole).all()


def test_random_numbers_are_even_and_unrelated(drawing):
    place = (0, 3 * CELL)
    whole = drawing(place, 0)
    assert whole.min() >= 0.0
    assert whole.max() < 1.0
    assert np.histogram(whole, 16, (0, 1))[0] == pytest.approx(whole.size / 16, rel=0.05)
    for other in (drawing(place, 1), drawing(place, 0, EMBEDDING), drawing(place, 0, seed=1)):
        assert abs(np.corrcoef(whole, other)[0, 1]) < 0.02
    assert (whole[:CELL] != whole[CELL : 2 * CELL]).mean() > 0.99


# ---- torch


@pytest.mark.parametrize("method", ["task_arithmetic", *SPARSE])
def test_torch_gives_what_numpy_gives_in_large_tensors_too(tiny, merge, method):
    """Tensors of several blocks, which on another device are cut elsewhere."""
    trio = tiny(vocab_size=3_000, layers=1)
    settings = {"method": method} | ({"lam": 0.7} if METHODS[method].uses_weights else {})
    ours, theirs = (words(merge(trio, device=device, **settings)) for device in ("cpu", "torch:cpu"))
    for key in ours:
        a, b = floats(ours[key]), floats(theirs[key])
        if method == "task_arithmetic":
            assert (ours[key] == theirs[key]).all(), key
        else:
            assert (np.abs(a - b) <= np.maximum(np.abs(a) * 2.0**-7, 1e-6 * np.abs(a).max())).all(), key


@given(TASKS, st.floats(0, 1))
def test_election_in_torch_is_that_in_numpy(tasks, lam):
    ours = sparse.elect_and_average(list(tasks), [lam, 1 - lam, 0.5])
    theirs = sparse.elect_and_average([torch.from_numpy(t) for t in tasks], [lam, 1 - lam, 0.5])
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5, atol=1e-6)
    assert ours.dtype == np.float32
    assert theirs.dtype == torch.float32
