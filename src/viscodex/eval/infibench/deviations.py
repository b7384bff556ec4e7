"""Where `fixed` and `paper` part, numbered for good."""

from __future__ import annotations

from viscodex.eval.benchmark import Deviation

DEVIATIONS = (
    Deviation(
        "IB-001",
        "a TypeScript program with type errors runs all the same",
        "compiling and running are two steps, and a program that does not compile fails",
    ),
    Deviation(
        "IB-002",
        "a unit test passes with exit code 0, so exit(0) passes",
        "it passes with exit code 0 and a new nonce, written to a private descriptor by the test's last statement; "
        "what passes is run again as a twin that must fail",
    ),
    Deviation(
        "IB-003",
        "a test's `prefix` stands before the raw answer, and is lost when the answer has a fence",
        "it stands before the code",
    ),
    Deviation("IB-004", "to_lower inside a rule is not read", "it is, for the part that it stands in"),
    Deviation(
        "IB-005",
        "weight inside a rule is not read",
        "it is the rule's weight where the rule has none; of several alternatives that match, the largest",
    ),
    Deviation("IB-006", "regex or cond beside a rule's content is not read", "it holds for the whole content"),
    Deviation(
        "IB-007",
        "to_lower turns a pattern into lower case, escapes included: \\S becomes \\s",
        "the pattern ignores case, and is not changed",
    ),
    Deviation(
        "IB-008",
        'a blank\'s target that is a mapping is read as its keys: the blank must say "or"',
        "it is read by value: alternatives, all of several, or one text",
    ),
    Deviation("IB-009", "a score may leave 0 to 1 (rules that subtract)", "it is cut there"),
    Deviation(
        "IB-010",
        "an exception drops the case from the mean",
        "the sample is unscored, with its reason, and stays in n",
    ),
    Deviation(
        "IB-011",
        "programs have a limit on the clock",
        "programs have a limit of CPU time, and the clock only as a backstop",
    ),
    Deviation(
        "IB-012",
        "an empty answer is graded like any other",
        "it is no answer, and gets null_score",
    ),
    Deviation(
        "IB-013",
        "code is between marks 0-1, 2-3, …; one mark alone is no block; shell commands and output are part of the "
        "program",
        "an unclosed block reaches to the end; nested and indented fences are understood; blocks of shell and output "
        "beside a program are not part of it",
    ),
    Deviation(
        "IB-014",
        "Python without a fence is cut at the second line that is not indented, whatever it is",
        "text that is a Python program as a whole is taken whole",
    ),
    Deviation(
        "IB-015",
        "a pattern that backtracks for ever hangs the evaluator",
        "patterns run in a box with a limit of CPU time (in both protocols); one that does not end leaves the sample "
        "unscored",
    ),
    Deviation(
        "IB-016",
        "a unit test whose package is not installed counts as failed",
        "the sample is unscored (in both protocols): the machine lacks something, not the answer",
    ),
    Deviation(
        "IB-017",
        "reasoning (`<think>…</think>`) is part of the answer",
        "it is not: what counts is what is said after it",
    ),
)
