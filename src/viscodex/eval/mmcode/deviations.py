"""Where `fixed` differs from the published evaluator, and where both protocols do."""

from __future__ import annotations

from viscodex.eval.benchmark import Deviation

DEVIATIONS = (
    Deviation("MM-001", "An output passes in any order of its lines and words.", "Lines and words have their order."),
    Deviation("MM-002", "A line counts once, however often it is printed.", "Every line counts."),
    Deviation(
        "MM-003",
        "Where every line is one number, integers too pass within 1e-5; elsewhere numbers are rounded to 3 digits.",
        "Numbers have a tolerance (1e-6, absolute or relative) only where the test writes a float.",
    ),
    Deviation("MM-004", "Integers too long for a float are all infinite, and equal.", "Every digit counts."),
    Deviation(
        "MM-005", "A returned float must be exact, and nan is never right.", "Floats have a tolerance, and nan is nan."
    ),
    Deviation(
        "MM-006",
        "Tuples are lists at the top of a returned value, and in its rows in one special case.",
        "Tuples are lists everywhere.",
    ),
    Deviation(
        "MM-007",
        "A returned value passes also where it equals the first item of the expected list.",
        "The same only where all expected values of the problem are lists of one, the way some tests are written.",
    ),
    Deviation("MM-008", "A problem without tests is passed by every program.", "It is unscored."),
    Deviation(
        "MM-009",
        "The program is rewritten: wrapped in a function, its input replaced. sys.stdin.buffer, `global` and strings "
        "of several lines do not survive that.",
        "Under both protocols it runs as it is, as a process with a real stdin and stdout.",
    ),
    Deviation(
        "MM-010",
        "Wall-clock limit; what the program does to the evaluator's process happens.",
        "Under both protocols 10 CPU seconds a test, and memory and output limits, in a sandbox.",
    ),
    Deviation(
        "MM-011",
        "Comparing a returned numpy array raises, which fails the test.",
        "Under both protocols an array is the list of its values.",
    ),
    Deviation(
        "MM-012",
        "The first Python block of the whole answer.",
        "Under both protocols leading reasoning (`<think>…</think>`) is no part of the answer.",
    ),
)
