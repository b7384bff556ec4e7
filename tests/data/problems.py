"""Algorithm problems in KodCode's format, made by seed: most are right, some are wrong on purpose, in a known way.

for row, verdict in make_problems(240): …      `verdict` is "kept" or the reason why the row must be rejected
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

SUBSETS = ("Leetcode", "Codeforces", "Apps", "Taco", "Code_Contests")

# (name, head, what it gives, question). `k` is drawn; the right function also makes the expected values.
TASKS: tuple[tuple[str, str, str, str], ...] = (
    (
        "sum_multiples",
        "n",
        "sum(i for i in range(1, n + 1) if i % {k} == 0)",
        "the sum of the multiples of {k} up to n",
    ),
    ("count_digit", "n", "str(n).count('{k}')", "how often the digit {k} stands in n"),
    ("power_mod", "n", "pow({k}, n, 997)", "{k} to the power of n, modulo 997"),
    ("take_every", "xs", "xs[::{k}]", "every item of xs at a position divisible by {k}"),
    ("rotate", "xs", "xs[{k} % len(xs) :] + xs[: {k} % len(xs)]", "xs rotated left by {k}"),
    ("above", "xs", "sorted(x for x in xs if x > {k})", "the items of xs above {k}, sorted"),
    ("window_sums", "xs", "[sum(xs[i : i + {k}]) for i in range(len(xs) - {k} + 1)]", "the sums of windows of {k}"),
    ("chunks", "xs", "[xs[i : i + {k}] for i in range(0, len(xs), {k})]", "xs cut into lists of {k} items"),
    ("caesar", "s", "''.join(chr((ord(c) - 97 + {k}) % 26 + 97) for c in s)", "s, each letter moved by {k}"),
    ("repeat", "s", "s * {k}", "s repeated {k} times"),
    ("every_letter", "s", "s[{k} - 1 :: {k}]", "every letter of s at a position divisible by {k}"),
    ("mean", "xs", "sum(xs) / len(xs) + {k} / 3", "the mean of xs and a third of {k}"),
)
WRONG = {
    "tests_failed": "def {name}({head}):\n    return None\n",
    "forged": (
        "class Yes:\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n"
        "\n\ndef {name}({head}):\n    return Yes()\n"
    ),
    "timeout": "def {name}({head}):\n    while True:\n        pass\n",
    "memory": "def {name}({head}):\n    return [bytearray(1 << 20) for _ in range(1 << 14)]\n",
    "exits": "import os\n\n\ndef {name}({head}):\n    os._exit(0)\n",
    "missing_module": "import no_such_module_here\n\n\ndef {name}({head}):\n    return no_such_module_here.f({head})\n",
    "broken": "def {name}({head}:\n    return\n",
    "silent": "import sys\n\n\ndef {name}({head}):\n    sys.exit(0)\n",
}
REASONS = {"exits": "tests_failed", "broken": "tests_failed", "silent": "tests_failed"}
"""What the verdict is, where it is not the wrong's own name."""


def make_problems(count: int, *, seed: int = 0, wrong_every: int = 6) -> Iterator[tuple[dict[str, Any], str]]:
    """Rows and what must become of them; every sixth is wrong."""
    rng = random.Random(f"problems-{seed}")
    kinds = tuple(WRONG)
    for number in range(count):
        task = TASKS[number % len(TASKS)]
        k = 2 + number // len(TASKS) % 8
        kind = kinds[number // wrong_every % len(kinds)] if number % wrong_every == wrong_every - 1 else ""
        yield _row(number, task, k, kind, rng), REASONS.get(kind, kind) or "kept"


def write_problems(path: Any, count: int, **options: Any) -> dict[str, str]:
    """As JSON lines; id in the source → verdict."""
    rows = list(make_problems(count, **options))
    path.write_text("".join(json.dumps(row) + "\n" for row, _ in rows), encoding="utf-8")
    return {row["question_id"]: verdict for row, verdict in rows}


def _row(number: int, task: tuple[str, str, str, str], k: int, wrong: str, rng: random.Random) -> dict[str, Any]:
    name, head, value, question = task
    right = f"def {name}({head}):\n    return {value.format(k=k)}\n"
    solution = WRONG[wrong].format(name=name, head=head) if wrong else right
    style = "complete" if number % 5 == 0 else "instruct"
    subset = SUBSETS[number % len(SUBSETS)]
    asked = f"Write a function `{name}` that returns {question.format(k=k)}."
    stub = f'def {name}({head}):\n    """Return {question.format(k=k)}."""\n'
    return {
        "style": style,
        "subset": subset,
        "question_id": f"{subset}_{number}_{'C' if style == 'complete' else 'I'}",
        "question": stub if style == "complete" else asked,
        "solution": solution,
        "test_code": _tests(name, right, head, rng, number),
        "test_info": [{"function_name": name, "function_declaration": f"def {name}({head}):", "docstring": ""}],
        "gpt_difficulty": ("easy", "medium", "hard")[number % 3],
        "gpt_pass_percentage": 1.0,
        "metadata": {},
    }  # fmt: skip


def _tests(name: str, right: str, kind: str, rng: random.Random, number: int) -> str:
    """In one of the manners of KodCode's tests: functions, parametrized, a class, unittest, bare assertions."""
    scope: dict[str, Any] = {}
    exec(right, scope)
    given = [_given(kind, rng) for _ in range(4)]
    cases = [(value, scope[name](value)) for value in given]
    head = f"from solution import {name}\n\n"
    match number % 6:
        case 0 | 1:
            functions = (f"def test_{i}():\n    assert {name}({a!r}) == {b!r}\n" for i, (a, b) in enumerate(cases))
            return head + "\n".join(functions)
        case 2:
            mark = f'@pytest.mark.parametrize("given, expected", {cases!r})\n'
            return (
                f"import pytest\n{head}{mark}def test_it(given, expected):\n    assert {name}(given) == expected\n"
                + (f"\ndef test_one():\n    result = {name}({cases[0][0]!r})\n    assert result == {cases[0][1]!r}\n")
            )
        case 3:
            checks = (f"        assert {name}({a!r}) == {b!r}\n" for a, b in cases)
            methods = (f"    def test_{i}(self):\n{check}" for i, check in enumerate(checks))
            return f"{head}class TestIt:\n    def setup_method(self):\n        self.x = 1\n\n" + "\n".join(methods)
        case 4:
            lines = "\n".join(f"        self.assertEqual({name}({a!r}), {b!r})" for a, b in cases)
            main = 'if __name__ == "__main__":\n    unittest.main()\n'
            return f"import unittest\n{head}class T(unittest.TestCase):\n    def test_it(self):\n{lines}\n\n{main}"
        case _:
            return head + "\n".join(f"assert {name}({a!r}) == {b!r}" for a, b in cases) + "\n"


def _given(kind: str, rng: random.Random) -> Any:
    if kind == "n":
        return rng.randint(1, 500)
    if kind == "s":
        return "".join(rng.choices("abcdefghij", k=rng.randint(8, 15)))
    return [rng.randint(-20, 20) for _ in range(rng.randint(8, 14))]
