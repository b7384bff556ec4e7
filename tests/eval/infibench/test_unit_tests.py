"""Unit tests that cannot be passed by leaving, and tests that cannot be run here."""

from __future__ import annotations

import pytest

from viscodex.eval.infibench import runtimes
from viscodex.eval.infibench.points import UnmeasuredError

TEST = "assert add(2, 2) == 4\nassert add(1, 5) == 6"
CPP = "int main() { if (add(2, 2) != 4) std::abort(); return 0; }"
GO = 'func main() { if add(2, 2) != 4 { panic("wrong") } }'


def outcome(graded, answer, test, language, protocol="fixed", **more):
    spec = {"lang": language, "tests": [{"content": test, **more}]}
    return graded(answer, protocol, unit_test=spec).points["unit_test"].trace[0]


@pytest.mark.parametrize(
    ("language", "code", "test"),
    [
        ("python", "import os\nos._exit(0)", TEST),
        ("python", "exit(0)", TEST),
        ("python", "class E:\n    def __eq__(self, other): return True\ndef add(a, b): return E()", TEST),
        ("javascript", "process.exit(0)", "if (add(2, 2) !== 4) throw new Error('wrong')"),
        ("c++", "int add(int a, int b) { exit(0); }", CPP),
        ("c++", "int add(int a, int b) { return 0; }\n// @verdict@\nint main() { return 0; }\n#define main other", CPP),
        ("bash", "exit 0", "[ $(add 2 2) = 4 ] || exit 1"),
    ],
)
def test_leaving_is_no_pass_under_fixed(graded, language, code, test):
    assert outcome(graded, f"```\n{code}\n```", test, language) != "passed"


def test_asserts_that_were_patched_away_are_no_pass(graded):
    test = "import unittest\nt = unittest.TestCase()\nt.assertEqual(add(2, 2), 4)"
    patched = "```\nimport unittest\nunittest.TestCase.assertEqual = lambda *a: None\ndef add(a, b): return 0\n```"
    assert outcome(graded, patched, test, "python", "paper") == "passed"
    assert outcome(graded, patched, test, "python", "fixed") == "forged"


def test_type_errors_fail_under_fixed_alone(graded):
    answer = '```typescript\nfunction add(a: number, b: number): string { return a + b }\nconst n: number = "x"\n```'
    test = "if ((add(2, 2) as any) !== 4) throw new Error('wrong')"
    assert outcome(graded, answer, test, "typescript", "paper") == "passed"
    assert outcome(graded, answer, test, "typescript", "fixed") == "compile_error"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "test", "wanted"),
    [
        ("int main() { return 0; }", "// compiles", "passed"),
        ("int main() { return 0; ", "// compiles", "compile_error"),
        ("int add(int a, int b) { return a + b; }", "// compiles", "compile_error"),
        ("int main() { return 1; }", "// compiles", "failed"),
        ("int add(int a, int b) { return a + b; } /* @verdict@", CPP, "compile_error"),
    ],
)
def test_a_test_without_a_main_uses_the_answers(graded, code, test, wanted):
    assert outcome(graded, f"```cpp\n{code}\n```", test, "c++") == wanted


def test_the_prefix_stands_before_the_code(graded):
    answer = "Use this:\n```python\ntotal = sum(values)\n```"
    test = "assert total == 6"
    assert outcome(graded, answer, test, "python", "paper", prefix="values = [1, 2, 3]") == "failed"
    assert outcome(graded, answer, test, "python", "fixed", prefix="values = [1, 2, 3]") == "passed"


def test_go_and_its_package_clause(graded):
    files = {"a.go": "package main\n"}
    from viscodex.eval.infibench import grading
    from viscodex.eval.infibench.measure import measure

    raw = {"unit_test": {"lang": "go", "tests": [{"content": GO, "prefix_path": "a.go"}]}}
    spec, _ = grading.read(raw, files, "go", "published")
    right = "```go\nfunc add(a int, b int) int { return a + b }\n```"
    assert measure(spec, right, "fixed").raw == 1.0
    assert measure(spec, right.replace("+", "-"), "fixed").raw == 0.0


JAVA = "class Main { public static void main(String[] args) { if (Sums.add(2, 2) != 4) System.exit(1); } }"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "right", "test"),
    [
        (
            "java",
            "class Sums { static int add(int a, int b) { return List.of(a, b).stream().mapToInt(x->x).sum(); } }",
            JAVA,
        ),
        ("php", "function add($a, $b) { return $a + $b; }", "if (add(2, 2) != 4) throw new Exception('wrong');"),
        (
            "php",
            "<?php\nfunction add($a, $b) { return $a + $b; }\n?>",
            "if (add(2, 2) != 4) throw new Exception('no');",
        ),
        ("bash", "add() { echo $(($1 + $2)); }", "[ $(add 2 2) = 4 ] || exit 1"),
        ("c++", "int add(int a, int b) { return std::accumulate(&a, &a + 1, b); }", CPP),
    ],
)
def test_right_programs_pass_in_other_languages(graded, language, right, test):
    for protocol in ("paper", "fixed"):
        assert outcome(graded, f"```\n{right}\n```", test, language, protocol) == "passed"
    wrong = right.replace("add", "sub")
    assert outcome(graded, f"```\n{wrong}\n```", test, language) in ("failed", "compile_error")


@pytest.mark.parametrize(
    ("language", "test", "reason"),
    [
        ("dart", "main() {}", "runtime"),
        ("cobol", "DISPLAY 1", "runtime"),
        ("python", "import surely_not_installed\nassert add(1, 1) == 2", "missing_package"),
        ("javascript", "const x = require('surely-not-installed')", "missing_package"),
        ("r", "library(surelyNotInstalled)", "missing_package"),
    ],
)
def test_what_this_machine_lacks_is_no_failure(graded, language, test, reason):
    if language == "dart" and not runtimes.missing_runtime("dart"):
        pytest.skip("there is a Dart here")
    for protocol in ("paper", "fixed"):
        with pytest.raises(UnmeasuredError) as caught:
            outcome(graded, "x = 1", test, language, protocol)
        assert caught.value.reason == reason


def test_packages_that_a_test_imports():
    assert runtimes.packages("python", "import numpy as np\nfrom os.path import join") == ["numpy", "os"]
    node = "const a = require('node:assert'); const { b } = require(\"@scope/pkg\"); import c from './mine'"
    assert runtimes.packages("javascript", node) == ["@scope/pkg"]
    assert runtimes.packages("r", "library(data.table); stats::sd(1)") == ["data.table", "stats"]
    assert runtimes.packages("bash", "import x") == []


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import os\nwhile True: os.fork()",
        "x = input()",
        "x = bytearray(8 << 30)",
        "print('x' * (64 << 20))",
        "def add(a, b): return 4  # \x00",
        "def add(a, b): return '\ud800'",
        "x = " + "(" * 5000,
    ],
)
def test_nasty_programs_end_in_a_word(graded, code):
    assert outcome(graded, f"```python\n{code}\n```", TEST, "python", timeout=1) in (
        "failed", "timeout", "memory", "output_limit"
    )  # fmt: skip
