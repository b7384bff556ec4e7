"""Expected outputs that files of problems really hold: nan, long integers, -0.0, exponents, odd line ends."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.eval.mmcode.problems import called, judged, piped, problem, verdicts

from viscodex.eval.mmcode.cases import read_cases
from viscodex.sandbox.whole_numbers import read_json, whole_number, write_json

LONG = 10**5000 + 7


@given(st.integers(min_value=-(10**9000), max_value=10**9000))
def test_integers_of_any_length_survive_a_file(number):
    assert read_json(write_json([number])) == [number]


@pytest.mark.parametrize("digits", [1, 3999, 4000, 4001, 4300, 4301, 8001, 100_000])
def test_integers_are_read_digit_by_digit(digits):
    assert whole_number("1" + "0" * (digits - 1)) == 10 ** (digits - 1)
    assert whole_number("-" + "9" * digits) == 1 - 10**digits


def test_long_integers_are_printed_and_every_digit_counts():
    sample = piped(("5000\n", "1" + "0" * 4999 + "7\n"))
    assert verdicts(sample, "print(10 ** int(input()) + 7)") == (True, True)
    assert verdicts(sample, "print(10 ** int(input()) + 8)") == (False, True)  # both infinite as floats


def test_long_integers_are_read_by_programs():
    assert verdicts(piped(("9" * 5000, "5000")), "print(len(str(int(input()))))") == (True, True)


def test_long_integers_go_into_functions_and_come_out():
    sample = problem(write_json({"fn_name": "f", "inputs": [[LONG], [-LONG]], "outputs": [LONG + 1, 1 - LONG]}))
    assert verdicts(sample, "def f(n): return n + 1") == (True, True)
    fixed, paper = judged(sample, "def f(n): return n + 2")
    assert {fixed.reason, paper.reason} == {"wrong_answer"} and "too long" in fixed.detail


def test_a_long_integer_beside_an_expected_float_is_no_error():
    assert verdicts(called(([], 1.5)), "def f(): return 10 ** 5000") == (False, False)


@pytest.mark.parametrize(
    ("wanted", "returned", "fixed", "paper"),
    [
        (math.nan, "float('nan')", True, False),
        ([1.0, math.nan], "[1.0, math.nan]", True, False),
        (math.nan, "0.0", False, False),
        (0.0, "float('nan')", False, False),
        (math.inf, "float('inf')", True, True),
        (-math.inf, "float('inf')", False, False),
        (-0.0, "0.0", True, True),
        (0, "-0.0", True, True),
        (1e-7, "0.0000001", True, True),
        (1e22, "10 ** 22", True, True),
        (1e300, "1.0000001e300", True, False),
    ],
)
def test_odd_floats_of_functions(wanted, returned, fixed, paper):
    assert verdicts(called(([], wanted)), f"def f(): return {returned}") == (fixed, paper)


@pytest.mark.parametrize(
    ("wanted", "printed", "fixed", "paper"),
    [
        ("nan", "nan", True, True),
        ("nan", "NaN", False, False),
        ("nan", "0", False, False),
        ("-0.0", "0.0", True, True),
        ("0.0", "-0.0", True, True),
        ("0", "-0", False, True),
        ("1e-7", "0.0000001", True, True),
        ("1E+5", "100000", True, True),
        ("100000", "1e5", False, True),
        ("1.0e10", "10000000000.00001", True, True),
        ("3  \n4\t\n\n", "3\n4\n", True, True),
        ("  3\n4", "3\n4", True, True),
        ("3\r\n4\r\n", "3\n4\n", True, True),
        ("3\r4", "3\n4", False, False),
        ("3\n4", "3\n4", True, True),
        ("3\n4\n\n\n", "3\n4", True, True),
        ("", "", True, True),
        ("\n", "", True, True),
        ("", "\n\n", True, True),
        ("é\u3000ü", "é\u3000ü", True, True),
    ],
)
def test_odd_outputs(wanted, printed, fixed, paper):
    code = f"import sys\nsys.stdout.buffer.write({printed!r}.encode())"
    assert verdicts(piped(("", wanted)), code) == (fixed, paper)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", " \n\n"])
def test_line_ends_of_a_program_do_not_count(end):
    printed = f"1 2{end or chr(10)}3{end}"
    assert verdicts(piped(("", "1 2\n3")), f"print({printed!r}, end='')") == (True, True)


def test_windows_newlines_in_inputs_are_newlines():
    assert verdicts(piped(("1\r\n2\r\n", "3")), "print(int(input()) + int(input()))") == (True, True)


def test_inputs_are_given_as_they_are():
    code = "import sys\nprint(len(sys.stdin.buffer.read()))"
    assert verdicts(piped(("ab", "2"), ("ab\n", "3"), ("", "0"), ("é", "2"), ("\ud800", "3")), code) == (True, True)


def test_bytes_that_are_no_text_are_equal_to_no_text():
    assert verdicts(piped(("", "\ufffd")), "import os\nos.write(1, b'\\xff')") == (False, False)


def test_a_bare_long_integer_is_its_digits():
    (case,) = read_cases(write_json({"inputs": [LONG], "outputs": [[LONG, 1]]})).tests
    assert (len(case.given), len(case.expected)) == (5001, 5003)


@pytest.mark.parametrize("value", [[1, 2], ["1", "2"], [[1], [2]]])
def test_lists_are_lines(value):
    (case,) = read_cases({"inputs": [value], "outputs": [value]}).tests
    assert case.given == case.expected == "1\n2"


def test_an_output_longer_than_the_limit_has_room():
    size = 3 << 20
    assert verdicts(piped(("", "x" * size)), f"print('x' * {size})") == (True, True)
