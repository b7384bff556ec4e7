"""Names that a program forgets to import, and where their imports may stand."""

from __future__ import annotations

import ast
import builtins

import pytest

from viscodex.eval.mmcode.preamble import offered, preamble
from viscodex.eval.mmcode.source_check import report

NAMED = {"sys", "math", "itertools", "collections", "heapq", "bisect", "functools", "re", "random", "fractions", "np"}
NAMES = {"deque", "defaultdict", "Counter", "heappush", "bisect_left", "lru_cache", "gcd", "inf", "Fraction", "List"}
STREAMS = {"stdin", "stdout"}


def test_the_contest_names_are_there():
    assert set(offered()) >= NAMED | NAMES | STREAMS


def test_every_import_brings_its_name_and_no_built_in_is_hidden():
    space: dict[str, object] = {}
    for name, statement in offered().items():
        exec(statement, space)
        assert name in space, statement
    assert not set(offered()) & set(vars(builtins))


def test_modules_stay_modules():
    """`from bisect import bisect` or `from copy import copy` would break `bisect.bisect_left` and `copy.deepcopy`."""
    for name in ("bisect", "copy", "random", "time", "datetime"):
        assert offered()[name] == f"import {name}"


@pytest.mark.parametrize(
    ("code", "imports"),
    [
        ("print(math.pi)", "import math"),
        ("import math\nprint(math.pi)", ""),
        ("import math as m\nprint(math.pi)", "import math"),
        ("from collections import deque as d\nprint(deque, d)", "from collections import deque"),
        ("import os.path\nos.getcwd()", ""),
        ("np = 5\nprint(np)", ""),
        ("def f(inf): return inf", ""),
        ("def gcd(): pass\ngcd()", ""),
        ("for re in []: print(re)", ""),
        ("try: pass\nexcept ValueError as e: print(e)", ""),
        ("match 1:\n    case pi: print(pi)", ""),
        ("print(x.deque, 'sys')", ""),
        ("print(sum, pow, unknown)", ""),
    ],
)
def test_what_is_missing(code, imports):
    assert preamble(report(code.encode())["missing"]) == imports


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("print(sys)", 0),
        ("#!/bin/python\n# coding: utf-8\n\nprint(sys)", 3),
        ("'''doc\nstring'''\nprint(sys)", 2),
        ("from __future__ import annotations\n\nx = sys", 2),
        ("'doc'\nfrom __future__ import division\n@lru_cache\ndef f(): pass", 2),
        ("from __future__ import annotations; x = sys", -1),
        ("", -1),
        ("'only a docstring'", -1),
    ],
)
def test_where_imports_may_stand(code, line):
    found = report(code.encode())
    assert found["line"] == line
    if line >= 0:
        lines = code.split("\n")
        ast.parse("\n".join([*lines[:line], "import sys", *lines[line:]]))


@pytest.mark.parametrize(
    "code", ["x = (", "return 1", "x = 1\0", "\ud800", "(" * 500, "-" * 100_000 + "1", "# coding: none\n1"]
)
def test_what_does_not_compile_says_why(code):
    assert report(code.encode("utf-8", "surrogatepass"))["error"]


@pytest.mark.parametrize(("code", "is_inert"), [("42", True), ('{"a": [1]}', True), ("f()", False), ("x = 1", False)])
def test_what_is_no_program(code, is_inert):
    assert report(code.encode())["inert"] is is_inert
