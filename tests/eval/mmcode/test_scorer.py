"""Programs are run, and every way to fail has its word."""

from __future__ import annotations

import itertools
import json

import pytest
from tests.eval.mmcode.problems import answer, called, judged, piped, problem, scorer, verdicts

from viscodex.core.errors import VisCodexError
from viscodex.eval.mmcode import running
from viscodex.model.generate import Completion
from viscodex.sandbox.box import Execution

DOUBLE = piped(("1\n", "2\n"), ("5\n", "10\n"), ("-3\n", "-6\n"))
IDIOMS = {
    "input": "print(2 * int(input()))",
    "buffer": "import sys\nprint(2 * int(sys.stdin.buffer.readline()))",
    "descriptor": "import os\nprint(2 * int(os.read(0, 100)))",
    "lines": "import sys\nfor line in sys.stdin: print(2 * int(line))",
    "open": "print(2 * int(open(0).read()))",
    "fast output": "import sys\nsys.stdout.buffer.write(b'%d' % (2 * int(input())))",
    "exit": "print(2 * int(input()))\nexit()",
    "main": "def main(): print(2 * int(input()))\nif __name__ == '__main__': main()",
    "global": "n = 0\ndef f():\n    global n\n    n = int(input())\nf()\nprint(2 * n)",
    "thread": "import sys, threading\nsys.setrecursionlimit(10**7)\nthreading.stack_size(1 << 27)\n"
    "t = threading.Thread(target=lambda: print(2 * int(input())))\nt.start()\nt.join()",
    "deep": "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)\n"
    "print(2 * int(input()) + f(50000) - 50000)",
    "future": '"""Doubles."""\nfrom __future__ import annotations\nprint(2 * int(stdin.readline()))',
    "a cookie": "#!/usr/bin/python3\n# -*- coding: utf-8 -*-\nprint(2 * int(stdin.readline()))",
    "decorated": "@lru_cache(None)\ndef f(n): return 2 * n\nprint(f(int(input())))",
    "names": "d = deque([int(input())])\nc: List[int] = list(accumulate([d[0], d[0]]))\nheappush(c, inf)\nprint(c[1])",
    "modules": "x = collections.Counter(); print(math.floor(2.5) * int(sys.stdin.readline()))",
    "numpy": "print(int(np.array([int(input())]).sum() * 2))",
    "its own name": "np = int(input())\nprint(2 * np)",
    "names of errors": "try: e = int(input())\nexcept ValueError as error: print(error)\nprint(round(e * 2 + 0 * pi))",
    "a star": "from math import *\nprint(int(sqrt(4)) * int(input()))",
}


@pytest.mark.parametrize("name", IDIOMS)
def test_idioms_of_contests_work(name):
    fixed, paper = judged(DOUBLE, IDIOMS[name])
    assert (fixed.status, fixed.values, fixed.reason) == ("scored", {"passed": 1.0}, ""), fixed.detail
    assert fixed.evidence["statuses"] == ["ok"] * 3 and paper.values == {"passed": 1.0}


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("print(int(input()) + 1)", "scored", "wrong_answer"),
        ("", "failed", "no_code"),
        ("def f(:", "failed", "syntax_error"),
        ("return 1", "failed", "syntax_error"),
        ("x = '\0'", "failed", "syntax_error"),
        ("x = '\ud800'", "failed", "syntax_error"),
        ("print(1 / 0)", "failed", "runtime_error"),
        ("print(2)\nexit(1)", "failed", "runtime_error"),
        ("import os\nos.kill(os.getpid(), 9)", "failed", "runtime_error"),
        ("undefined", "failed", "runtime_error"),
        ("while True: pass", "failed", "timeout"),
        ("x = bytearray(1 << 40)", "failed", "memory"),
        ("x = []\nwhile True: x.append(bytearray(1 << 22))", "failed", "memory"),
        ("while True: print('x' * 1000)", "failed", "output_limit"),
        ("import os\nos._exit(0)", "scored", "wrong_answer"),
    ],
)
def test_every_way_to_fail_has_a_word(code, status, reason):
    for score in judged(DOUBLE, code):
        assert (score.status, score.reason, score.values) == (status, reason, {"passed": 0.0})
        assert score.detail and json.dumps(score.model_dump()).encode()


@pytest.mark.parametrize("text", ["", " \n", "I cannot see it.", "Sorry", '{"code": "print(1)"}', "```\n```", "42"])
def test_no_code_is_counted(text):
    for score in scorer().score(DOUBLE, Completion(sample_id="p", text=text)).scores:
        assert (score.status, score.reason, score.evidence["no_code"]) == ("failed", "no_code", True)


def test_a_program_without_a_fence_counts_as_no_code_and_passes():
    for score in scorer().score(DOUBLE, Completion(sample_id="p", text=IDIOMS["input"])).scores:
        assert score.values == {"passed": 1.0} and score.evidence["no_code"]


@pytest.mark.parametrize(
    ("text", "finish", "is_truncated"),
    [
        ("```python\nprint(2)", "stop", True),
        ("```python\nprint(2)\n```", "length", True),
        ("```python\nprint(2)\n```", "stop", False),
    ],
)
def test_cut_answers_are_counted(text, finish, is_truncated):
    score, _ = scorer().score(DOUBLE, Completion(sample_id="p", text=text, finish=finish)).scores
    assert score.evidence["truncated"] is is_truncated


def test_the_first_test_that_fails_is_named_and_ends_the_runs():
    fixed, _ = judged(DOUBLE, "n = int(input())\nprint(2 if n == 1 else 1 // 0)")
    assert (fixed.reason, fixed.evidence["failed_test"]) == ("runtime_error", 1)
    assert fixed.evidence["statuses"] == ["ok", "runtime_error"] and "ZeroDivisionError" in fixed.detail


def test_all_tests_are_run_when_wanted():
    fixed, _ = judged(DOUBLE, "n = int(input())\nprint(2 * n if n != 5 else 0)", all_tests=True)
    assert fixed.evidence["statuses"] == ["ok", "wrong_answer", "ok"]
    assert (fixed.reason, fixed.evidence["failed_test"], fixed.values) == ("wrong_answer", 1, {"passed": 0.0})


OUTPUTS = {"right": "1 2", "permuted": "2 1", "wrong": "3"}


@pytest.mark.parametrize("kinds", list(itertools.product(OUTPUTS, repeat=2)), ids="-".join)
def test_no_verdict_depends_on_the_other_comparator(kinds):
    """Stopping early gives each protocol the verdict that it has when every test is run."""
    sample = piped(*((f"{index}\n", "1 2\n") for index in range(2)))
    code = f"print({[OUTPUTS[kind] for kind in kinds]}[int(input())])"
    for early, late in zip(judged(sample, code), judged(sample, code, all_tests=True), strict=True):
        assert (early.values, early.reason, early.detail) == (late.values, late.reason, late.detail)
        seen = early.evidence["statuses"]
        assert seen == late.evidence["statuses"][: len(seen)]
        assert early.evidence["failed_test"] == late.evidence["failed_test"]


def test_without_tests_paper_passes_and_fixed_does_not_know():
    fixed, paper = judged(problem({"inputs": [], "outputs": []}), "print(1)")
    assert (fixed.status, fixed.reason, fixed.values) == ("unscored", "no_tests", {"passed": None})
    assert (paper.status, paper.values) == ("scored", {"passed": 1.0})
    assert {score.reason for score in judged(problem({}), "def f(:")} == {"syntax_error"}


def test_a_faulty_sandbox_is_our_fault(monkeypatch):
    monkeypatch.setattr(running.Program, "run_as", lambda *_, **__: Execution("unavailable", stderr=b"no bwrap"))
    with pytest.raises(VisCodexError):
        scorer().score(DOUBLE, answer("print(1)"))


@pytest.mark.parametrize(
    "code",
    [
        "def f(a, b): return a + b",
        "class Solution:\n    def f(self, a, b): return a + b",
        "class Solution:\n    def f(self, a: List[int], b: Optional[int]) -> int: return a + b",
        "print('noise')\ndef f(a, b):\n    print(a)\n    return a + b",
        "f = lambda a, b: sum([a, b])\nif __name__ == '__main__': input()",
        "calls = []\ndef f(a, b):\n    calls.append(1)\n    return a + b if len(calls) == 1 else 0",
    ],
)
def test_functions_are_called(code):
    assert verdicts(called(([1, 2], 3), ([4, 5], 9)), code) == (True, True)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def g(a): return a", "runtime_error"),
        ("def f(): return 1", "runtime_error"),
        ("def f(a): exit()", "runtime_error"),
        ("def f(a): return input()", "runtime_error"),
        ("def f(a): print(a)", "wrong_answer"),
        ("def f(a): return object()", "wrong_answer"),
        ("class A:\n    def __eq__(self, other): return True\ndef f(a): return A()", "wrong_answer"),
        ("import os\nos.write(3, b'1\\n')\nos._exit(0)", "runtime_error"),
        ("def f(a):\n    while True: pass", "timeout"),
        ("def f(a): return 'x' * (1 << 22)", "output_limit"),
        ("import sys\nprint(1)\nsys.exit(0)", "runtime_error"),
    ],
)
def test_calls_fail_by_name(code, reason):
    assert {score.reason for score in judged(called(([1], 1)), code)} == {reason}


@pytest.mark.parametrize(
    ("wanted", "returned", "fixed", "paper"),
    [
        ([1, [2]], "(1, (2,))", True, False),
        ([[1, 2]], "[(1, 2)]", True, False),
        ([0.1], "[0.1 + 1e-9]", True, False),
        ({"1": [2]}, "{1: [2]}", True, True),
        ({"1": [2]}, "{'1': [2]}", False, False),
        ([{"1": 2}], "{1: 2}", True, True),
        (["x", "y"], "'x'", False, True),
        (["x"], "'x'", True, True),
        ([[["a"]]], "[['a']]", True, True),
        ([1, 2], "np.array([1, 2])", True, True),
        (True, "np.bool_(True)", True, True),
        (None, "None", True, True),
    ],
)
def test_values_are_compared(wanted, returned, fixed, paper):
    assert verdicts(called(([], wanted)), f"def f(): return {returned}") == (fixed, paper)


def test_wrapped_values_are_unwrapped_only_where_all_are():
    code = "def f(n): return n"
    assert verdicts(called(([1], [1]), ([2], [2])), code) == (True, True)
    assert verdicts(called(([1], [1]), ([2], [2, 3])), code) == (False, True)


def test_scoring_again_gives_the_same():
    wrong = "print(id(object()))\nimport os\nprint(os.getpid())"
    for code in (IDIOMS["input"], "print(1 / 0)", "while True: pass", "def f(:"):
        assert judged(DOUBLE, code) == judged(DOUBLE, code)
    assert [s.reason for s in judged(DOUBLE, wrong)] == [s.reason for s in judged(DOUBLE, wrong)]


def test_answers_keep_their_index():
    scores = scorer().score(DOUBLE, answer("print(2)", index=3)).scores
    assert [score.index for score in scores] == [3, 3]
