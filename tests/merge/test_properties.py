"""The arithmetic itself, on small arrays: exact where it must be, and as the papers' formulas say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.merge.conftest import floats
from viscodex.checkpoint.dtypes import FLOATS, encode, has_nonfinite
from viscodex.merge import arithmetic, kernel
from viscodex.merge.arithmetic import METHODS, weighted_sum
from viscodex.merge.block import Block

BF16 = FLOATS["BF16"]
Array = np.ndarray[Any, Any]
needs_kernel = pytest.mark.skipif(kernel.library() is None, reason="the kernel was not built")

SIZES = st.one_of(st.integers(0, 40), st.integers(1020, 1030), st.integers(2047, 2050))  # the kernel works in 1,024s
COEFFICIENTS = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 0.7, 0.3, 1 - 0.7, 1e-30, 1e30]), st.floats(-2, 2), st.floats(0, 1)
)


@st.composite
def sums(draw: Any, words: Any = None) -> tuple[list[Array], list[float]]:
    """One to four arrays of bfloat16 words of one size, and their coefficients."""
    terms, size = draw(st.integers(1, 4)), draw(SIZES)
    seed = draw(st.integers(0, 2**32 - 1))
    generator = np.random.default_rng(seed)
    arrays = [generator.integers(0, 65536, size, dtype=np.uint16) for _ in range(terms)]
    if draw(st.booleans()):  # finite ones of like size, so that ties and cancellation come up
        arrays = [(array & 0x80FF) | np.uint16(0x3F00) for array in arrays]
    return arrays, draw(st.lists(COEFFICIENTS, min_size=terms, max_size=terms))


def words_of(values: Array) -> Array:
    out = np.empty(values.shape, BF16.words)
    encode(values, BF16, out)
    return out


def float32(words: Array) -> Array:
    return (words.astype(np.uint32) << 16).view(np.float32)


def rounded_once(values: Array) -> Array:
    """float64 → float32 → bfloat16 by torch, as words."""
    with np.errstate(over="ignore"):
        single = torch.from_numpy(values.astype(np.float32))
    return single.to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)


def tensor(*values: float) -> Array:
    return np.array(values, dtype=np.float32)


def block(tuned: list[Array], base: Array | None = None, *, whole: bool = False, draws: Any = None) -> Block:
    rows, columns = tuned[0].shape if tuned[0].ndim == 2 else (1, tuned[0].size)
    return Block(tuned, base, (rows, columns), draws or (lambda model: np.zeros_like(tuned[0])), whole)


# ---- weighted sums


@needs_kernel
@given(sums())
def test_the_kernel_gives_the_bits_of_numpy(case):
    arrays, coefficients = case
    ours, theirs = np.empty_like(arrays[0]), np.empty_like(arrays[0])
    is_finite = kernel.weighted_sum_bf16(arrays, coefficients, ours)
    with np.errstate(all="ignore"):
        encode(weighted_sum([float32(a) for a in arrays], coefficients), BF16, theirs)
    differing = ours != theirs
    assert np.isnan(float32(ours[differing])).all()
    assert np.isnan(float32(theirs[differing])).all()
    assert is_finite == (not has_nonfinite(theirs, BF16))


@needs_kernel
def test_the_kernel_leaves_its_neighbours_alone():
    out = np.full(3000, 0xABCD, np.uint16)
    kernel.weighted_sum_bf16([np.ones(1025, np.uint16)], [1.0], out[1000:2025])
    assert (out[:1000] == 0xABCD).all()
    assert (out[2025:] == 0xABCD).all()
    with pytest.raises(ValueError, match="one size"):
        kernel.weighted_sum_bf16([np.ones(4, np.uint16), np.ones(5, np.uint16)], [1.0, 1.0], out[:4])
    with pytest.raises(ValueError, match="contiguous"):
        kernel.weighted_sum_bf16([np.ones(8, np.uint16)[::2]], [1.0], out[:4])


@given(sums(), st.floats(0, 1))
def test_task_arithmetic_is_the_float64_sum_rounded_once(case, lam):
    a, b = case[0][0], case[0][-1]
    of_base, (first, second) = arithmetic.task_arithmetic([lam, 1.0 - lam])
    assert of_base == 0.0
    with np.errstate(all="ignore"):
        exact = first * floats(a) + second * floats(b) if 0 < lam < 1 else floats(a if lam == 1 else b)
        merged = words_of(weighted_sum([float32(a), float32(b)], [first, second]))
    differing = merged != rounded_once(exact)
    assert np.isnan(float32(merged[differing])).all()


@given(sums(), st.permutations(range(4)))
def test_the_order_of_the_models_is_worth_one_step_at_most(case, order):
    arrays, coefficients = case
    order = [i for i in order if i < len(arrays)]
    arrays = [(array & 0x80FF) | np.uint16(0x3F00) for array in arrays]
    values = [float32(a) for a in arrays]
    one = weighted_sum(values, coefficients)
    other = weighted_sum([values[i] for i in order], [coefficients[i] for i in order])
    largest = max(abs(c) for c in coefficients) or 1.0
    merged, again = floats(words_of(one)), floats(words_of(other))
    step = np.maximum(np.abs(merged), np.abs(again)) * 2.0**-7
    assert (np.abs(merged - again) <= np.maximum(step, 1e-12 * largest)).all()


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=5))
def test_the_bases_share_is_what_the_weights_leave(weights):
    of_base, of_tuned = arithmetic.task_arithmetic(weights)
    assert of_tuned == weights
    assert of_base == pytest.approx(1.0 - math.fsum(weights), abs=1e-11)
    if math.fsum(weights) == 1.0:
        assert of_base == 0.0


@given(st.lists(st.floats(0.01, 3), min_size=1, max_size=5))
def test_linear_weights_sum_to_one(weights):
    of_base, shares = arithmetic.linear(weights)
    assert of_base == 0.0
    assert math.fsum(shares) == pytest.approx(1.0)
    assert [s / shares[0] for s in shares] == pytest.approx([w / weights[0] for w in weights])


def test_nothing_at_all_is_zero():
    assert words_of(weighted_sum([tensor(-1.0, 2.0, np.inf)], [0.0])).tolist() == [0, 0, 0]


# ---- coefficients from inner products


def gram(*arrays: Array) -> Array:
    flat = np.stack([a.ravel().astype(np.float64) for a in arrays])
    return flat @ flat.T


VECTORS = npst.arrays(np.float32, 6, elements=st.floats(-4, 4, width=32).filter(lambda x: abs(x) > 1e-3))


@given(VECTORS, VECTORS, st.sampled_from([0.0, 1.0]))
def test_slerp_ends_at_the_models(a, b, lam):
    _, (first, second) = arithmetic.slerp([lam, 1.0 - lam], gram(a, b))
    assert (first, second) == (lam, 1.0 - lam)


@given(VECTORS, VECTORS, st.floats(0.01, 0.99))
def test_slerp_stays_on_the_sphere_and_has_no_side(a, b, lam):
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    _, (first, second) = arithmetic.slerp([lam, 1.0 - lam], gram(a, b))
    _, (other, one) = arithmetic.slerp([1.0 - lam, lam], gram(b, a))
    assert (first, second) == pytest.approx((one, other))
    if abs(float(a @ b)) < 0.9995:
        assert np.linalg.norm(first * a + second * b) == pytest.approx(1.0, abs=1e-5)


def test_slerp_of_a_right_angle():
    _, shares = arithmetic.slerp([0.5, 0.5], gram(tensor(1, 0), tensor(0, 2)))
    assert shares == pytest.approx([math.sqrt(0.5)] * 2)


@pytest.mark.parametrize("pair", [((1, 2), (1, 2)), ((1, 2), (-1, -2)), ((0, 0), (1, 2)), ((0, 0), (0, 0))])
def test_slerp_of_parallel_opposed_and_zero_tensors_is_linear(pair):
    _, shares = arithmetic.slerp([0.7, 0.3], gram(*(tensor(*v) for v in pair)))
    assert shares == pytest.approx([0.7, 0.3])


@pytest.mark.parametrize(
    ("tasks", "ratio"),
    [
        ([(1, 0), (0, 1)], 0.0),  # unrelated: the base
        ([(1, 0), (2, 0)], 1.0),  # the same direction: the mean
        ([(1, 0), (-1, 0)], 0.0),
        ([(1, 0), (0.5, math.sqrt(0.75))], 2 * 0.5 / 1.5),  # 60 degrees
        ([(1, 0), (0, 0)], 0.0),
        ([(1, 0, 0), (0.5, math.sqrt(0.75), 0), (0.5, 0.5 / math.sqrt(3), math.sqrt(2 / 3))], 3 * 0.5 / 2),
    ],
)
def test_model_stock(tasks, ratio):
    of_base, shares = arithmetic.model_stock([1.0] * len(tasks), gram(*(tensor(*t) for t in tasks)))
    assert of_base == pytest.approx(1.0 - ratio, abs=1e-6)
    assert shares == pytest.approx([ratio / len(tasks)] * len(tasks), abs=1e-6)


def test_uncorrelated_keeps_every_vector_along_itself():
    a, b = tensor(3, 0, 0), tensor(1, 2, 0)
    _, shares = arithmetic.uncorrelated([1.0, 1.0], gram(a, b))
    merged = shares[0] * a + shares[1] * b
    assert float((merged * a).sum()) == pytest.approx(float((a * a).sum()), rel=1e-4)
    assert float((merged * b).sum()) == pytest.approx(float((b * b).sum()), rel=1e-4)


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [((1, 0), (0, 5), [1, 1]), ((1, 2), (1, 2), [0.5, 0.5]), ((1, 0), (-1, 0), [1, 1]), ((0, 0), (3, 4), [0, 1])],
    ids=["at right angles", "equal", "opposed", "nothing learnt"],
)
def test_uncorrelated_at_its_corners(a, b, wanted):
    of_base, shares = arithmetic.uncorrelated([1.0, 1.0], gram(tensor(*a), tensor(*b)))
    assert shares == pytest.approx(wanted, abs=1e-4)
    assert of_base == pytest.approx(1 - sum(wanted), abs=1e-4)


def test_metagpt_weights_by_squared_norm():
    of_base, shares = arithmetic.metagpt([1.0, 1.0], gram(tensor(1, 0), tensor(1, math.sqrt(2))))
    assert shares == pytest.approx([0.25, 0.75])
    assert of_base == 0.0
    assert arithmetic.metagpt([1.0, 1.0], np.zeros((2, 2))) == (0.0, [0.5, 0.5])


# ---- WUDI


def interference(x: Array, tasks: list[Array]) -> float:
    """Σ ‖(x − τᵢ) τᵢᵀ‖² / ‖τᵢ‖² in float64."""
    wide = [t.astype(np.float64) for t in tasks]
    return float(sum((((x - t) @ t.T) ** 2).sum() / max((t**2).sum(), 1e-30) for t in wide))


@st.composite
def matrices(draw: Any) -> list[Array]:
    rows, columns = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return [generator.normal(size=(rows, columns)).astype(np.float32) for _ in range(draw(st.integers(2, 3)))]


@given(matrices())
def test_wudi_ends_at_the_least_squares_minimum(tasks):
    base = np.zeros_like(tasks[0])
    options = {"steps": 200, "scale": 1.0}
    found = METHODS["wudi"].combine(block(tasks, base, whole=True), [1.0] * len(tasks), None, options)
    at_start, at_end = interference(sum(tasks), tasks), interference(found, tasks)
    assert at_end <= at_start * (1 + 1e-5) + 1e-9
    wide = [t.astype(np.float64) for t in tasks]
    curvature = sum(t.T @ t / (t**2).sum() for t in wide)
    target = sum(t @ t.T @ t / (t**2).sum() for t in wide)
    best = np.linalg.lstsq(curvature.T, target.T, rcond=1e-12)[0].T
    assert at_end <= interference(best, tasks) + 1e-4 * at_start + 1e-9


def test_wudi_of_models_that_do_not_meet_keeps_both():
    """Task vectors in different input directions do not interfere: their sum is the answer."""
    tasks = [np.array([[1, 0], [2, 0]], np.float32), np.array([[0, 3], [0, 1]], np.float32)]
    found = METHODS["wudi"].combine(block(tasks, 0 * tasks[0], whole=True), [], None, {"steps": 9, "scale": 1.0})
    np.testing.assert_allclose(found, tasks[0] + tasks[1], atol=1e-5)


def test_wudi_of_models_that_did_not_move_is_the_base():
    base = np.ones((2, 3), np.float32)
    found = METHODS["wudi"].combine(block([base, base], base, whole=True), [], None, {"steps": 9, "scale": 1.0})
    assert (found == base).all()


def test_wudi_averages_what_is_no_matrix():
    found = METHODS["wudi"].combine(block([tensor(2), tensor(4)], tensor(1)), [], None, {"steps": 9, "scale": 0.5})
    assert found == tensor(1 + 0.5 * 2)
