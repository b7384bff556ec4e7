"""Number formats: every word of the 16-bit ones, and rounding as torch rounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from viscodex.checkpoint.dtypes import FLOATS, SIZES, by_torch_name, decode, encode, has_nonfinite

BF16, F16, F32, F64 = (FLOATS[name] for name in ("BF16", "F16", "F32", "F64"))
ALL_WORDS = np.arange(65536, dtype=np.uint16)


def as_torch(words, dtype):
    return torch.from_numpy(words.view(np.int16).copy()).view(getattr(torch, dtype.torch_name))


def encoded(values, dtype):
    out = np.empty(values.shape, dtype.words)
    encode(values, dtype, out)
    return out


def torch_bf16(values):
    """torch's rounding of float32 to bfloat16, as words."""
    return torch.from_numpy(np.ascontiguousarray(values)).to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)


def assert_same_words(ours, theirs, dtype):
    """Equal bit for bit, except that any NaN will do for a NaN."""
    differing = ours.view(np.uint16) != theirs.view(np.uint16)
    assert np.isnan(decode(ours[differing], dtype)).all()
    assert np.isnan(decode(theirs[differing], dtype)).all()


@pytest.mark.parametrize("dtype", [BF16, F16], ids=["BF16", "F16"])
def test_every_16_bit_word_decodes_as_in_torch_and_comes_back(dtype):
    words = ALL_WORDS.view(dtype.words)
    values = decode(words, dtype)
    assert values.dtype == np.float32
    theirs = as_torch(words, dtype).float().numpy()
    assert np.array_equal(values, theirs, equal_nan=True)
    assert np.array_equal(np.signbit(values), np.signbit(theirs))
    assert_same_words(encoded(values, dtype), words, dtype)


@pytest.mark.parametrize("dtype", [BF16, F16], ids=["BF16", "F16"])
def test_every_16_bit_word_alone_and_among_others_is_judged_right(dtype):
    words = ALL_WORDS.view(dtype.words)
    finite = torch.isfinite(as_torch(words, dtype)).numpy()
    among = np.zeros(9, dtype.words)
    for word, is_finite in zip(words, finite, strict=True):
        among[4] = word
        assert has_nonfinite(among[4:5], dtype) == has_nonfinite(among, dtype) == (not is_finite)
    assert not has_nonfinite(words[finite], dtype)
    assert not has_nonfinite(words[:0], dtype)


def test_rounding_to_bfloat16_is_torchs_for_every_kind_of_float32():
    generator = np.random.default_rng(5)
    bits = generator.integers(0, 1 << 32, 1 << 20, dtype=np.uint32)  # all exponents, NaN and infinities among them
    ties = (bits & 0xFFFF0000) | 0x8000
    near_ties = ties + generator.integers(-1, 2, ties.size).astype(np.uint32)
    subnormal = bits & 0x807FFFFF
    huge = (bits & 0x80FFFFFF) | 0x7F000000
    for pattern in (bits, ties, near_ties, subnormal, huge):
        values = pattern.view(np.float32)
        assert_same_words(encoded(values, BF16), torch_bf16(values), BF16)


def test_the_hard_float32_values():
    patterns = (0, 0x80000000, 1, 0x80000001, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F7F7FFF, 0x7F800000, 0xFF800000)
    nans = (0x7F800001, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000, 0xFFFF8000)
    values = np.array([*patterns, *nans], dtype=np.uint32).view(np.float32)
    words = encoded(values, BF16)
    assert_same_words(words, torch_bf16(values), BF16)
    assert np.isnan(decode(words[len(patterns) :], BF16)).all()  # 0xFFFFFFFF, what an erased disk holds, included


@given(npst.arrays(np.float64, st.integers(0, 50), elements=st.floats(allow_nan=False)))
def test_float64_is_rounded_to_float32_first(values):
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    assert np.array_equal(encoded(values, BF16), torch_bf16(single))
    assert np.array_equal(encoded(values, F32), single)
    assert np.array_equal(encoded(values, F64), values)


@given(npst.arrays(np.float32, st.integers(0, 50), elements=st.floats(width=32)))
def test_rounding_to_float16_is_torchs(values):
    theirs = torch.from_numpy(values).half().numpy()
    assert np.array_equal(encoded(values, F16), theirs, equal_nan=True)


@pytest.mark.parametrize("dtype", [F16, F32, F64], ids=["F16", "F32", "F64"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nonfinite_is_found_anywhere(dtype, bad):
    words = np.zeros(100, dtype.words)
    words[[0, 99]] = np.finfo(dtype.words).max
    assert not has_nonfinite(words, dtype)
    words[50] = bad
    assert has_nonfinite(words, dtype)


def test_decoding_never_gives_the_files_own_memory():
    for dtype in FLOATS.values():
        words = np.ones(4, dtype.words)
        values = decode(words, dtype)
        values += 1
        assert (words == np.ones(4, dtype.words)).all()


def test_names_and_sizes():
    assert by_torch_name("bfloat16") is BF16
    assert by_torch_name("int8") is None
    for dtype in FLOATS.values():
        assert SIZES[dtype.name] == dtype.bytes == getattr(torch, dtype.torch_name).itemsize
        assert dtype.largest == torch.finfo(getattr(torch, dtype.torch_name)).max
