"""Attacks on the verdict: programs that are wrong and want to be told that they are right."""

from __future__ import annotations

import pytest

from viscodex.sandbox.languages import VerdictText
from viscodex.sandbox.limits import Limits
from viscodex.sandbox.programs import toolchain
from viscodex.sandbox.verdict import MARK, compose, end_of_main, unit_tests

TEST = "assert add(2, 2) == 4\nassert add(1, 5) == 6"
UNITTEST = """
import unittest
class T(unittest.TestCase):
    def test(self):
        self.assertEqual(add(2, 2), 4)
result = unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(T))
assert result.wasSuccessful()
"""
NUMPY = "import numpy as np\nnp.testing.assert_allclose(add(np.ones(2), 1), [2, 2])"
RIGHT = "def add(a, b): return a + b\n"
WRONG = "def add(a, b): return 0\n"

# Each must not pass. The comment says what would believe it.
FORGERIES = {
    "exit": WRONG + "exit(0)",  # exit code
    "os_exit": WRONG + "import os; print('PASSED', flush=True); os._exit(0)",  # exit code, stdout
    "exit_later": "def add(a, b): raise SystemExit(0)",  # exit code, in the middle of the test
    "atexit": WRONG + "import atexit, os; atexit.register(os._exit, 0)",  # exit code, after a failure
    "hook": WRONG + "import os, sys; sys.excepthook = lambda *a: os._exit(0)",  # exit code, after a failure
    "descriptors": WRONG + "import os\n"
    "for fd in range(3, 64):\n    for text in (b'ok', b'passed\\n', b'1', b'0' * 32):\n"
    "        try: os.write(fd, text)\n        except OSError: break\nos._exit(0)",  # any message at all
    "always_equal": "class E:\n    def __eq__(self, other): return True\ndef add(a, b): return E()",  # the assert
    "own_source": "import os, re\n"
    "nonce = re.findall(rb\"write\\(3, b'(\\w+)'\", open(__file__, 'rb').read())[-1]\n"
    "os.write(3, nonce); os._exit(0)",  # a nonce in the source
    "frame": "import os, sys\ndef add(a, b):\n"
    "    constants = [c for c in sys._getframe(1).f_code.co_consts if isinstance(c, bytes) and len(c) == 32]\n"
    "    os.write(3, constants[0]); os._exit(0)",  # a nonce in the caller's code
    "proc": "import os, re\ndef add(a, b):\n"
    "    for name in ('cmdline', 'environ'):\n"
    "        found = re.findall(rb'\\b[0-9a-f]{32}\\b', open(f'/proc/self/{name}', 'rb').read())\n"
    "        if found: os.write(3, found[0]); os._exit(0)\n    return 0",  # a nonce in the environment
    "jump": WRONG + "import sys\n"
    "def skip(frame, event, argument):\n"
    "    if event == 'line':\n        try: frame.f_lineno = frame.f_lineno + 1\n        except ValueError: pass\n"
    "    return skip\n"
    "sys.settrace(skip); sys._getframe().f_trace = skip",  # that statements are run at all
}


@pytest.fixture(params=["bwrap", "landlock"])
def judge(request):
    from viscodex.sandbox import backends

    if reason := backends.problem(request.param):
        pytest.skip(reason)

    def run(code: str, *tests: str, language: str = "python"):
        return unit_tests(language, code, tests, Limits(cpu_s=2, wall_s=60), backend=request.param)

    return run


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_pass_is_none(judge, name):
    verdict = judge(FORGERIES[name], TEST)[0]
    assert verdict.outcome in ("failed", "forged"), verdict


@pytest.mark.parametrize("name", ["own_source", "frame", "always_equal"])
def test_the_nonce_alone_would_believe_these(judge, name):
    """The control: the run itself looks like a pass, and only the doomed twin gives it away."""
    verdict = judge(FORGERIES[name], TEST)[0]
    assert verdict.outcome == "forged"
    assert verdict.execution.ok and len(verdict.execution.channel) == 32


def require_numpy(judge):
    """Where the project's own Python is out of the box's reach, it is the system's, which may have none."""
    if "No module named 'numpy'" in judge(f"import numpy\n{RIGHT}", TEST)[0].reason:
        pytest.skip("the Python that this box can reach has no numpy: apt install python3-numpy")


def test_disarmed_checks_are_forged(judge):
    require_numpy(judge)
    unittest_disarmed = WRONG + "import unittest\nunittest.TestCase.assertEqual = lambda *a: None"
    numpy_disarmed = (
        WRONG + "import numpy.testing\n"
        "numpy.testing.assert_equal = numpy.testing.assert_allclose = lambda *a, **k: None"
    )
    assert judge(unittest_disarmed, UNITTEST)[0].outcome == "forged"
    assert judge(numpy_disarmed, NUMPY)[0].outcome == "forged"


def test_honest_programs_pass_and_wrong_ones_fail(judge):
    require_numpy(judge)
    verdicts = judge(RIGHT, TEST, UNITTEST, NUMPY, "assert 5 == add(2, 3)", "assert add(1, 1) == 3")
    assert [v.outcome for v in verdicts] == ["passed"] * 4 + ["failed"]
    assert verdicts[-1].reason == "AssertionError"
    assert judge(WRONG, TEST)[0].outcome == "failed"


def test_an_answer_with_its_own_equality_is_not_accused(judge):
    require_numpy(judge)
    fraction = "from fractions import Fraction\ndef add(a, b): return Fraction(a + b, 1)"
    array = "import numpy as np\ndef add(a, b): return np.asarray(a + b)"
    assert judge(fraction, TEST)[0].passed
    assert judge(array, TEST, "assert (add(1, 1) == 2).all()")[1].passed


def test_each_verdict_is_its_tests_own(judge):
    code = "import os\ndef good(): return 1\ndef spin():\n    while True: pass\ndef eat(): return bytearray(8 << 30)"
    tests = ["assert good() == 1", "spin()", "eat()", "missing()", "syntax error"]
    assert [v.outcome for v in judge(code, *tests)] == ["passed", "timeout", "memory", "failed", "failed"]


OTHERS = {
    "javascript": ("function add(a, b) { return a + b }", "if (add(2, 2) !== 4) throw new Error('wrong')"),
    "typescript": ("function add(a: number, b: number) { return a + b }",
                   "if (add(2, 2) !== 4) throw new Error('wrong')"),
    "ruby": ("def add(a, b) = a + b", "raise 'wrong' unless add(2, 2) == 4"),
    "php": ("<?php function add($a, $b) { return $a + $b; }", "if (add(2, 2) != 4) throw new Exception('wrong');"),
    "r": ("add <- function(a, b) a + b", "stopifnot(add(2, 2) == 4)"),
    "bash": ("add() { echo $(($1 + $2)); }", "[ $(add 2 2) = 4 ] || exit 1"),
    "cpp": ("#include <cassert>\nint add(int a, int b) { return a + b; }",
            'int main() { const char *s = "}"; assert(add(2, 2) == 4); return 0; }'),
    "java": ("class Sums { static int add(int a, int b) { return a + b; } }",
             "public class Main { public static void main(String[] a) {\n"
             'if (Sums.add(2, 2) != 4) throw new RuntimeException("}"); } }'),
    "go": ("package main\nfunc add(a, b int) int { return a + b }",
           'func main() { if add(2, 2) != 4 { panic("}") } }'),
    "csharp": ("static class Sums { public static int Add(int a, int b) { return a + b; } }",
               'class T { static void Main() { if (Sums.Add(2, 2) != 4) throw new System.Exception("}"); } }'),
}  # fmt: skip
ENDS = {
    "javascript": "process.exit(0)", "typescript": "process.exit(0)", "ruby": "exit!(0)", "php": "exit(0);",
    "r": "quit(status=0)", "bash": "exit 0", "cpp": "exit(0);", "java": "System.exit(0);", "go": "os.Exit(0)",
}  # fmt: skip


@pytest.mark.slow  # three or four compilations each
@pytest.mark.parametrize("language", OTHERS)
def test_other_languages_pass_fail_and_cannot_end_early(language):
    if missing := toolchain(language).missing:
        pytest.skip(missing)
    code, test = OTHERS[language]
    wrong = code.replace("a + b", "a * b + 1").replace("$1 + $2", "$1 * $2 + 1").replace("$a + $b", "$a * $b + 1")
    assert wrong != code
    early = f"{ENDS.get(language, '')} //".replace("//", "#" if language in ("ruby", "r", "bash") else "//")
    if language == "go":
        code_ending = 'package main\nimport "os"\nfunc add(a, b int) int { os.Exit(0); return 0 }'
    elif language == "cpp":
        code_ending = "#include <cstdlib>\n#include <cassert>\nint add(int a, int b) { exit(0); }"
    elif language == "csharp":
        code_ending = code.replace("return", "System.Environment.Exit(0); return")
    elif language == "java":
        code_ending = "class Sums { static int add(int a, int b) { System.exit(0); return 0; } }"
    else:
        code_ending = f"{code}\n{early}"
    assert unit_tests(language, code, [test])[0].passed
    assert unit_tests(language, wrong, [test])[0].outcome == "failed"
    assert unit_tests(language, code_ending, [test])[0].outcome == "failed"


ASSERTIONS = {
    "java": ("class Sums { static int add(int a, int b) { return a + b; } }",
             "public class Main { public static void main(String[] a) { assert Sums.add(2, 2) == 4 : \"wrong\"; } }"),
    "php": ("<?php function add($a, $b) { return $a + $b; }", "assert(add(2, 2) === 4);"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("language", ASSERTIONS)
def test_assertions_that_are_off_by_default_are_on(language):
    """Java passes over `assert` unless told not to, and a distribution's php.ini turns it off."""
    if missing := toolchain(language).missing:
        pytest.skip(missing)
    code, test = ASSERTIONS[language]
    assert unit_tests(language, code, [test])[0].passed
    assert unit_tests(language, code.replace(" + ", " - "), [test])[0].outcome == "failed"


def test_places_for_the_report():
    text = VerdictText("R", "F", in_main=True)
    assert compose(text, "", "int main() { f(); return 0; } void g() { }", "R").split("\n")[2:4] == [
        "R",
        "return 0; } void g() { }",
    ]
    assert compose(text, "", f"int main() {{ {MARK} return 0; }}", "R") == "\nint main() { R return 0; }\n"
    source = 'class M { static void main(String[] a) { f("}{"); /* } */ } }'
    assert source[end_of_main(source) :] == "} }"
    go = VerdictText("R", "F", header='import v "syscall"', in_main=True)
    assert compose(go, "// c\npackage main", "func main() { }", "R").startswith(
        '// c\npackage main\nimport v "syscall"\n'
    )
