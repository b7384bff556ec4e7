"""Function calls: values come out as they are, programs cannot answer for the judge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viscodex.sandbox.call_driver import Other, decode, encode
from viscodex.sandbox.calls import call_function
from viscodex.sandbox.limits import Limits

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
hashables = st.recursive(scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner), max_leaves=5)
values = st.recursive(
    hashables | st.sets(hashables),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(hashables, inner),
    max_leaves=12,
)


@given(values)
def test_values_survive_the_way_out(value):
    import json

    returned = decode(json.loads(json.dumps(encode(value))))
    assert returned == value and type(returned) is type(value)


def call(code: str, *arguments: list[object], cpu_s: float = 5):
    return list(call_function(code, "solve", arguments, Limits(cpu_s=cpu_s, wall_s=60)))


def test_a_function_is_called_per_argument_list():
    calls = call("def solve(a, b): print('noise'); return a + b", [1, 2], ["x", "y"], [[1], [2]])
    assert [c.value for c in calls] == [3, "xy", [1, 2]]
    assert all(c.status == "ok" and c.execution.stdout == b"noise\n" for c in calls)


def test_arguments_arrive_as_they_are():
    argument = {1: [2, (3,)], "a": None, (4, 5): {6}}
    assert call("def solve(x): return x", [argument])[0].value == argument


def test_a_method_of_solution_is_found():
    code = "class Solution:\n    def __init__(self): self.n = 1\n    def solve(self, x): self.n += x; return (self.n,)"
    assert [c.value for c in call(code, [1], [1])] == [(2,), (2,)]


def test_each_call_has_a_fresh_state():
    assert [c.value for c in call("n = []\ndef solve(): n.append(1); return len(n)", [], [])] == [1, 1]


def test_the_main_block_is_not_run():
    assert call("def solve(): return 1\nif __name__ == '__main__': input()", [])[0].value == 1


def test_numpy_values_become_plain_ones():
    code = "import numpy as np\ndef solve(): return [np.int64(3), np.array([1.5]), np.bool_(True)]"
    assert call(code, [])[0].value == [3, [1.5], True]


def test_what_has_no_json_is_equal_to_nothing():
    value = call("def solve(): return object()", [])[0].value
    assert isinstance(value, Other) and value != 1


@pytest.mark.parametrize(
    "code",
    [
        "def other(): pass",
        "def solve(): raise ValueError",
        "def solve(: pass",
        "def solve(): import os; os._exit(0)",
        "def solve(): exit(0)",
        "import os; os.write(3, b'1\\n'); exit(0)",
        "def solve():\n    r = []\n    r.append(r)\n    return r",
        "import sys; sys.setrecursionlimit(10**9)\ndef solve(): return solve()",
    ],
)
def test_no_value_is_an_error(code):
    result = call(code, [])[0]
    assert result.status in ("error", "memory") and result.value is None


def test_time_and_memory_are_told_apart():
    assert call("def solve():\n    while True: pass", [], cpu_s=0.5)[0].status == "timeout"
    assert call("def solve(): return len(bytearray(8 << 30))", [])[0].status == "memory"
