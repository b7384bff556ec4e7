"""The algorithm pipeline: rows in every form, who is drawn, and solutions that must pass their own tests."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.data.problems import make_problems, write_problems
from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Sample
from viscodex.data import algorithm
from viscodex.data.algorithm.problem import read_problem
from viscodex.data.algorithm.suite import UnsupportedError, read_suite
from viscodex.data.algorithm.verify import Verify, same, same_text
from viscodex.runner.stage import Keep, Reject

ROW = {
    "question": "Add two numbers.",
    "solution": "def add(a, b):\n    return a + b",
    "test_code": "assert add(1, 2) == 3",
}
VERIFY = Verify(cpu_s=3.0, memory_mib=512, most_tests=100)


def problem(**fields):
    found = read_problem(ROW | fields, "f:1", algorithm.Columns())
    assert not isinstance(found, Reject), found
    return found


def verdict(solution, tests):
    sample = Sample(id="a", kind="algorithm", prompt=("q",), response=solution, checks={"tests": json.dumps(tests)})
    result = VERIFY(None, sample)
    return result.row if isinstance(result, Keep) else result.reason


def drafts(path, **settings):
    return dict(algorithm.pipeline(algorithm.Settings(path=str(path), **settings)).drafts())


@pytest.fixture
def jsonl(tmp_path):
    def write(*rows):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return path

    return write


@pytest.mark.slow
def test_generated_problems_get_the_verdict_that_they_were_made_for(tmp_path):
    expected = write_problems(tmp_path / "p.jsonl", 18, wrong_every=2)
    pipeline = algorithm.pipeline(algorithm.Settings(path=str(tmp_path / "p.jsonl"), cpu_s=1.5, memory_mib=300))
    found = {}
    for _, sample in pipeline.drafts():
        result = pipeline.stages[0].work(None, sample)
        found[sample.checks["origin"]["id"]] = "kept" if isinstance(result, Keep) else result.reason
    assert found == expected
    assert set(expected.values()) >= {"kept", "tests_failed", "forged", "timeout", "memory", "missing_module"}


def test_a_kept_row():
    row = verdict(ROW["solution"] + "\r\n\n", {"code": ROW["test_code"]})
    assert row.response == f"```python\n{ROW['solution']}\n```"
    assert row.checks == {"tests": 1, "tests_pass": True}


@pytest.mark.parametrize(
    ("solution", "tests", "expected"),
    [
        ("def f(): return 1", {"code": "from solution import f\ndef test(): assert f() == 2"}, "tests_failed"),
        ("def f(): return 1", {"code": "def test(): pass\ndef f(:"}, "tests_broken"),
        ("def f(): return 1", {"code": "from solution import f\nprint(f())"}, "no_tests"),
        ("def f(): return 1", {"code": "def test_a(capsys): assert 1"}, "tests_unsupported"),
        ("def f(): return 1", {"code": "async def test_a(): assert 1"}, "tests_unsupported"),
        ("def f(): return 1", {"code": "import flask_of_nowhere\nassert 1 == 1"}, "missing_module"),
        ("def f(): return 1", {"code": "from solution import g\nassert g() == 1"}, "tests_failed"),
        ("print(int(input()) + 1)", {"inputs": ["1\n"], "outputs": ["3\n"]}, "tests_failed"),
        ("print(int(input()) + 1)", {"inputs": ["x\n"], "outputs": ["3\n"]}, "tests_failed"),
        ("def f(a): return a", {"inputs": [[1]], "outputs": [2], "fn_name": "f"}, "tests_failed"),
        ("while True: print('x' * 10**6)", {"inputs": [""], "outputs": [""]}, "output_limit"),
    ],
)
def test_reasons(solution, tests, expected):
    assert verdict(solution, tests) == expected


CHEATS = {
    "leaves": "import os\nos._exit(0)",
    "equal to all": "class Y:\n    def __eq__(s, o): return True\ndef f(*a): return Y()",
    "no assertions": "import builtins\nbuiltins.AssertionError = KeyError\ndef f(*a): return 3",
    "excepthook": "import sys, os\nsys.excepthook = lambda *a: os._exit(0)\ndef f(*a): return 3",
    "reads the nonce": (
        "import os, re, sys\ndef f(*a):\n    text = open(sys.modules['__main__'].__file__).read()\n"
        "    os.write(3, re.search(r\"write\\(3, b'(\\w+)'\", text)[1].encode())\n    os._exit(0)"
    ),
    "takes the tests away": (
        "import sys\nclass D(type(sys)):\n    def __setattr__(self, n, v): pass\n"
        "def f(*a):\n    m = sys.modules['__main__']\n    for n in list(vars(m)):\n"
        "        if n.startswith('test'): vars(m)[n] = lambda: None\n    return 1"
    ),
}


@pytest.mark.parametrize("name", CHEATS)
@pytest.mark.parametrize(
    "code",
    [
        "from solution import f\ndef test_a():\n    assert f(1) == 1\ndef test_b():\n    assert f(2) == 2\n",
        "assert f(1) == 4",
    ],
)
def test_no_cheat_passes(name, code):
    if name == "takes the tests away" and code.startswith("assert"):
        pytest.skip("there is nothing to take away")
    assert verdict(CHEATS[name], {"code": code}) in ("forged", "tests_failed")


SOLUTION = "def add(a, b):\n    return a + b\n"


@pytest.mark.parametrize(
    "code",
    [
        "from solution import add\ndef test_a():\n    assert add(1, 2) == 3",
        "import solution\ndef test_a():\n    assert solution.add(1, 2) == 3",
        "from solution import *\nimport pytest\n"
        "@pytest.mark.parametrize('a,b,c', [(1, 2, 3), pytest.param(1, 1, 2, id='x')])\n"
        "def test_a(a, b, c):\n    assert add(a, b) == c",
        "import pytest\n@pytest.mark.parametrize('a', [1, 2])\n@pytest.mark.parametrize('b', [3])\n"
        "def test_a(a, b):\n    assert add(a, b) == a + b",
        "import pytest\n@pytest.fixture\ndef one():\n    yield 1\n"
        "@pytest.fixture()\ndef two(one):\n    return one + 1\n"
        "def test_a(one, two):\n    assert add(one, two) == 3",
        "import pytest\ndef test_a():\n    with pytest.raises(TypeError, match='unsupported'):\n        add(1, None)\n"
        "    assert add(1, 1) == 2",
        "import pytest\ndef test_a():\n    assert add(0.1, 0.2) == pytest.approx(0.3)\n"
        "    assert [0.1 + 0.2] == pytest.approx([0.3])",
        "import pytest\n@pytest.mark.skip(reason='x')\ndef test_a():\n    assert False\n"
        "def test_b():\n    assert add(1, 1) == 2",
        "class TestAll:\n    def setup_method(self):\n        self.a = 1\n"
        "    def test_a(self):\n        assert add(self.a, 1) == 2",
        "import unittest\nclass T(unittest.TestCase):\n    def setUp(self):\n        self.a = 1\n"
        "    def test_a(self):\n"
        "        self.assertEqual(add(self.a, 1), 2)\nif __name__ == '__main__':\n    unittest.main()",
        "from __future__ import annotations\nassert add(1, 2) == 3",
        "def test_a():\n    for a in range(3):\n        assert add(a, 1) == a + 1\n    return\n",
        "def check(candidate):\n    assert candidate(1, 2) == 3\n\ncheck(add)",
        "import numpy as np\ndef test_a():\n    np.testing.assert_allclose(add(np.ones(2), 1), [2, 2])",
    ],
)
def test_manners_of_tests(code):
    assert isinstance(verdict(SOLUTION, {"code": code}), Sample)
    assert verdict(SOLUTION.replace("+", "-"), {"code": code}) in ("tests_failed",)


def test_the_solution_is_a_module_of_its_own():
    """Its main block does not run, as under pytest."""
    code = SOLUTION + "if __name__ == '__main__':\n    raise SystemExit(1)\n"
    assert isinstance(verdict(code, {"code": "from solution import add\ndef test_a(): assert add(1, 1) == 2"}), Sample)


def test_what_is_counted():
    suite = read_suite("def test_a(): pass\ndef helper(): pass\nassert 1\nclass TestB:\n    def test_c(self): pass\n")
    assert suite.count == 3


@pytest.mark.parametrize(
    "code",
    [
        "def test_a(x): pass",
        "import mock\n@mock.patch('a')\ndef test_a(m): pass",
        "@pytest.mark.parametrize('a')\ndef test_a(a): pass",
    ],
)
def test_what_is_not_offered(code):
    with pytest.raises(UnsupportedError):
        read_suite(code)


@pytest.mark.parametrize(
    ("tests", "solution"),
    [
        (
            {"inputs": ["1 2\n", ["3", "4"]], "outputs": ["3\n", ["7"]]},
            "import sys\nprint(sum(map(int, sys.stdin.read().split())))",
        ),
        ({"inputs": [[1, 2]], "outputs": [3], "fn_name": "add"}, SOLUTION),
        (
            {"inputs": [[1, 2]], "outputs": [[3]], "fn_name": "add"},
            "class Solution:\n    def add(self, a, b):\n        return a + b",
        ),
        ({"inputs": [[[1], [2]]], "outputs": [[1, 2]], "fn_name": "add"}, SOLUTION),
    ],
)
def test_tests_by_input_and_output(tests, solution):
    assert verdict(solution, tests).checks["tests"] == len(tests["inputs"])


@pytest.mark.parametrize(
    ("actual", "expected", "equal"),
    [
        ((1, 2), [1, 2], True),
        (0.1 + 0.2, 0.3, True),
        (1, 1.0, True),
        (True, 1, False),
        ([1], [1, 2], False),
        ({1: 2}, {"1": 2}, True),
        ({"a": 0.30000000001}, {"a": 0.3}, True),
        ("1", 1, False),
    ],
)
def test_equal_values(actual, expected, equal):
    assert same(actual, expected) is equal


@pytest.mark.parametrize(
    ("actual", "expected", "equal"),
    [
        ("1 2\n\n3\n", "1  2\n3", True),
        ("1\n2", "1 2", False),
        ("0.3333333", "0.33333333", True),
        ("3", "3.0", True),
        ("3.0", "3", False),
        ("a", "1.0", False),
    ],
)
def test_equal_texts(actual, expected, equal):
    assert same_text(actual, expected) is equal


@pytest.mark.parametrize(
    ("fields", "tests"),
    [
        (
            {"test_code": None, "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"]},
            "\nassert add(1, 2) == 3\nassert add(0, 0) == 0",
        ),
        (
            {"test_code": "def check(f):\n    assert f(1, 1) == 2", "entry_point": "add"},
            "def check(f):\n    assert f(1, 1) == 2\n\ncheck(add)\n",
        ),
    ],
)
def test_forms_of_test_code(fields, tests):
    assert json.loads(problem(**fields).tests) == {"code": tests}


@pytest.mark.parametrize(
    "value",
    [{"inputs": ["1"], "outputs": ["2"]}, '{"inputs": ["1"], "outputs": ["2"]}', {"input": ["1"], "output": ["2"]}],
)
def test_forms_of_cases(value):
    assert json.loads(problem(test_code=None, input_output=value).tests) == {"inputs": ["1"], "outputs": ["2"]}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"question": " "}, "no_question"),
        ({"solution": None}, "no_solution"),
        ({"test_code": ""}, "no_tests"),
        ({"test_code": '{"inputs": ["1"], "outputs": []}'}, "no_tests"),
        ({"test_code": "{broken"}, "no_tests"),
    ],
)
def test_rows_that_are_no_problem(fields, reason):
    found = read_problem(ROW | fields, "f:1", algorithm.Columns())
    assert isinstance(found, Reject)
    assert found.reason == reason


def test_styles_and_prompts():
    stub = problem(question='def add(a, b):\n    """Add."""\n', question_id="Leetcode_1_C", subset="Leetcode")
    assert stub.style == "complete"
    assert stub.question == 'Complete this Python function:\n\n```python\ndef add(a, b):\n    """Add."""\n```'
    assert stub.licence == "CC BY-NC 4.0"
    plain = problem(question_id="x_I", test_info=[{"function_declaration": "def add(a, b):"}])
    assert plain.style == "instruct"
    assert plain.question == "Add two numbers.\n\nUse this function head:\n\n```python\ndef add(a, b):\n```"
    assert problem(question="Write add.", test_code="from solution import add\n").question == "Write add."
    assert problem(solution="```python\nx\n```").solution == "x"
    assert problem(solution='["x = 1", "y = 2"]').solution == "x = 1"


def test_who_is_wanted(jsonl):
    rows = [
        ROW | {"question_id": "a_I", "subset": "Leetcode", "gpt_difficulty": "easy"},
        ROW | {"question_id": "b_C", "subset": "Leetcode", "gpt_difficulty": "easy"},
        ROW | {"question_id": "c_I", "subset": "Taco", "gpt_difficulty": "easy"},
        ROW | {"question_id": "d_I", "subset": "Leetcode", "gpt_difficulty": "hard"},
        ROW | {"question_id": "e_I", "subset": "Leetcode", "gpt_difficulty": "easy", "gpt_pass_percentage": 0.0},
        ROW | {"question_id": "f_I", "subset": "Leetcode", "gpt_difficulty": "easy", "r1_correctness": "False"},
        ROW | {"question_id": "g_I", "subset": "Leetcode", "gpt_difficulty": "easy", "solution": "x" * 30_000},
        ROW | {"question_id": "a_I", "subset": "Leetcode"},
        "{broken",
        "[]",
        {"question": "x"},
    ]
    found = drafts(jsonl(*rows), subsets=["leetcode"], styles=["instruct"], difficulty=["easy"])
    assert [row.reason if isinstance(row, Reject) else "draft" for row in found.values()] == [
        *("draft", "other_style", "other_subset", "other_difficulty", "source_says_failed", "source_says_failed"),
        *("too_long", "repeated_id", "malformed_row", "malformed_row", "no_solution"),
    ]
    assert len(found) == len(rows)


def test_a_draw_depends_on_the_seed_and_not_on_the_order(jsonl):
    rows = [ROW | {"question_id": f"q{i}"} for i in range(40)]

    def drawn(rows, **settings):
        return {i for i, row in drafts(jsonl(*rows), n=10, **settings).items() if isinstance(row, Sample)}

    first = drawn(rows)
    assert len(first) == 10
    assert first == drawn(rows[::-1])
    assert first != drawn(rows, seed=1)
    reasons = [row.reason for row in drafts(jsonl(*rows), n=10).values() if isinstance(row, Reject)]
    assert reasons == ["not_drawn"] * 30


def test_every_form_of_file_gives_the_same_rows(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [row for row, _ in make_problems(12)]
    for row in rows:
        del row["metadata"]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    (tmp_path / "c.json").write_text(json.dumps(rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "d.parquet")
    found = [drafts(tmp_path / name, name="n") for name in ("a.jsonl", "b.jsonl.gz", "c.json", "d.parquet")]
    assert found[0] == found[1] == found[2] == found[3]
    assert len(found[0]) == 12


def test_the_source_of_a_row(jsonl):
    (sample,) = drafts(jsonl(ROW), name="set", licence="MIT", author="us", url="https://a.b").values()
    assert sample.checks["origin"] == {"name": "set", "id": "rows.jsonl:1", "attribution": "set, us, MIT, https://a.b"}
    assert (sample.source.licence, sample.source.author, sample.source.url) == ("MIT", "us", "https://a.b")


@pytest.mark.parametrize("name", ["none.jsonl", "torn.jsonl.gz", "torn.parquet", "torn.json", "empty"])
def test_files_that_cannot_be_read_are_named(tmp_path, name):
    (tmp_path / "empty").mkdir()
    for torn in ("torn.jsonl.gz", "torn.parquet", "torn.json"):
        (tmp_path / torn).write_bytes(gzip.compress(b"{}\n")[:-6] if torn.endswith("gz") else b"PAR1 [{")
    with pytest.raises(VisCodexError) as error:
        drafts(tmp_path / name)
    assert name in error.value.where
