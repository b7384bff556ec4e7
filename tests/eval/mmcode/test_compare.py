"""Laws of the two comparators."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from viscodex.eval.mmcode import fixed, paper

words = st.text(alphabet=st.characters(exclude_categories=("Cs", "Zs", "Zl", "Zp", "Cc")), min_size=1, max_size=6)
numbers = st.integers(-(10**6), 10**6).map(str) | st.floats(-1e6, 1e6).map(repr)
lines = st.lists(words | numbers, min_size=1, max_size=4).map(" ".join)
texts = st.lists(lines, max_size=6).map("\n".join)
space = st.text(alphabet=" \t\r", max_size=3)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4),
    max_leaves=10,
)


@given(texts)
def test_every_text_is_itself(text):
    assert fixed.same_text(text, text) and paper.same_text(text, text)


@given(values)
def test_every_value_is_itself(value):
    assert fixed.same_value(value, value)


@given(st.lists(lines, min_size=1, max_size=6), st.data())
def test_space_and_blank_lines_do_not_count(rows, data):
    printed = []
    for row in rows:
        printed += [""] * data.draw(st.integers(0, 2))
        printed.append(data.draw(space) + row + data.draw(space))
    assert fixed.same_text("\n".join(rows), "\n".join(printed) + "\n")


@given(st.lists(st.lists(words, min_size=1, max_size=3), min_size=2, max_size=6), st.randoms())
def test_order_counts_for_fixed_and_not_for_paper(rows, random):
    shuffled = [random.sample(row, len(row)) for row in random.sample(rows, len(rows))]
    assume(shuffled != rows)
    wanted, printed = ("\n".join(map(" ".join, some)) for some in (rows, shuffled))
    assert not fixed.same_text(wanted, printed)
    assert paper.same_text(wanted, printed)


@given(st.lists(words, min_size=1, max_size=5), st.integers(2, 4))
def test_every_line_counts_for_fixed_and_once_for_paper(rows, times):
    wanted, printed = "\n".join(rows), "\n".join(rows * times)
    assert not fixed.same_text(wanted, printed)
    assert paper.same_text(wanted, printed)


@given(texts, texts)
def test_fixed_is_the_stricter_one_without_floats(wanted, printed):
    assume("." not in wanted and "e" not in wanted.lower())
    if fixed.same_text(wanted, printed):
        assert paper.same_text(wanted, printed)


@given(st.integers(-(10**12), 10**12), st.integers(1, 3))
def test_integers_have_no_tolerance(number, step):
    assert not fixed.same_text(str(number), str(number + step))
    assert not fixed.same_text(str(number), f"{number}.0")
    assert not fixed.same_value(number, number + step)


@given(st.floats(-1e9, 1e9))
def test_floats_have_one(number):
    wanted = f"{number:.9f}"
    near, far = number + 5e-7 * max(1, abs(number)), number + 2e-6 * max(1, abs(number))
    assert fixed.same_text(wanted, f"{near:.9f}") and fixed.same_value(number, near)
    assert not fixed.same_text(wanted, f"{far:.9f}") and not fixed.same_value(number, far)


@pytest.mark.parametrize(
    ("wanted", "printed", "same"),
    [
        ("0.5", ".5", True),
        ("2.0", "2", True),
        ("2", "2.0", False),
        ("1e5", "100000", True),
        ("1E-3", "0.001", True),
        ("100000", "1e5", False),
        ("0.0", "-0.0", True),
        ("0", "-0", False),
        ("7", "007", False),
        ("7", "+7", False),
        ("1.5", "1_5", False),
        ("1.5", "3/2", False),
        ("1.5", "１.5", False),
        ("nan", "nan", True),
        ("nan", "NaN", False),
        ("1.0", "nan", False),
        ("1e400", "1e500", False),
        ("inf", "1e999", False),
        ("yes", "YES", False),
        ("a b", "a\u00a0b", False),
        ("a\nb", "a b", False),
        ("", "\n \n", True),
        ("", "0", False),
        ("1", "", False),
    ],
)
def test_tokens_of_fixed(wanted, printed, same):
    assert fixed.same_text(wanted, printed) is same


@pytest.mark.parametrize(
    ("wanted", "printed", "same"),
    [
        ("1 2\n", "1 2", True),  # 1
        ("1 \n 2", "1\n2  ", True),  # 2
        ("a\n\nb", "a\nb", True),  # 3
        ("a\nb", "a\n\nb", True),  # 4
        ("100000", "100000.9", True),  # 5
        ("100000\n1", "100000.9", False),
        ("100000 1", "100000.9 1", False),
        ("nan", "NAN", False),
        ("inf", "1e999", True),
        ("1 2\n3", "3\n2 1 1\n3", True),  # 6
        ("1.0004 2", "2 1.00041", True),  # 7
        ("1.0004 2", "2 1.0016", False),
        ("1 x", "1.0 x", False),
        ("a", "A", False),
        ("", "x", False),
    ],
)
def test_readings_of_paper(wanted, printed, same):
    assert paper.same_text(wanted, printed) is same


@pytest.mark.parametrize(
    ("wanted", "value", "by_fixed", "by_paper"),
    [
        ([1, 2], (1, 2), True, True),
        ([[1, 2]], [(1, 2)], True, False),
        ([[[1, 2], [3, 4]]], [(1, 2), (3, 4)], False, True),
        ({"a": [1.0]}, {"a": (1.0000001,)}, True, False),
        ({1: 2}, {"1": 2}, False, False),
        ([5], 5, False, True),
        ([], 5, False, False),
        (1, True, True, True),
        (1.0, 1, True, True),
        (1, 1.0, True, True),
        (3, 2.9999999, False, False),
        (math.nan, float("nan"), True, False),
        (math.inf, math.inf, True, True),
        (1.0, math.inf, False, False),
        (-0.0, 0.0, True, True),
        (1.5, 10**400, False, False),
        ("1.0", "1.0000001", False, False),
        ([1, 2], {1, 2}, False, False),
        ([1, 2], "12", False, False),
        (None, [], False, False),
    ],
)
def test_values(wanted, value, by_fixed, by_paper):
    assert fixed.same_value(wanted, value) is by_fixed
    assert paper.same_value(wanted, value) is by_paper


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


def test_depth_is_no_error():
    assert fixed.same_value(nested(100_000), nested(100_000))
    assert not paper.same_value(nested(100_000), nested(100_000))


@pytest.mark.parametrize("module", [fixed, paper])
@pytest.mark.parametrize(
    ("unit", "end"),
    [("1 2 3\n", "x"), ("7", "x"), ("7", "."), ("1.5 ", "2"), (" ", "x"), ("\n", "x"), ("1e", "1"), ("9", "9")],
)
def test_huge_outputs_take_linear_time(module, unit, end):
    """A step of quadratic time would take minutes; ten times the text must not take fifty times as long."""

    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        began = time.process_time()
        module.same_text(text, text + end)
        return time.process_time() - began

    assert seconds(2_000_000) < 50 * max(seconds(200_000), 0.05)
