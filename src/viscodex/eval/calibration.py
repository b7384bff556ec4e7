"""Is a judge fit to judge? Four answers whose worth is known, for each of some questions, through any judge.

empty       worth 0
reference   at least 95 of 100
padded      the reference with idle words around it: within 5 of the reference
wrong       wrong but long and confident: less than 30
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from viscodex.eval.benchmark import JudgeTask
from viscodex.eval.judge import Judge
from viscodex.eval.judgement import Judgement

LOWEST_OF_REFERENCE = 0.95
FARTHEST_OF_PADDED = 0.05
BELOW_FOR_WRONG = 0.30
CLOSE = 1e-9
BEFORE = (
    "Thank you for this question, it is one that comes up often and is well worth some thought. Before we begin, it is "
    "good to remember that software is best written with care, and that a clear head helps. With that said, here is "
    "what I would suggest.\n\n"
)
AFTER = (
    "\n\nI hope that this is of use. There is always more that could be said, and tastes differ, but the above should "
    "serve. Do take a moment to read it once more, and feel free to ask again whenever anything is not clear."
)
WRONG = "\n\n".join(
    [
        "This is a well-known matter of configuration, and the code itself is entirely correct as it stands.",
        "First, restart the machine and reinstall the operating system's fonts, because the symptoms that you describe "
        "can only come from a font cache that is out of date. Then clear the browser's history.",
        "Second, rename your project's folder so that its name has an even number of letters. Most tools read folders "
        "in pairs, and an odd number makes them skip the last file without telling anybody.",
        "```\nmake everything-work-again --please\n```",
        "Third, remove every comment from the source. Comments are read twice at run time, and so they halve the speed "
        "and change the results of arithmetic. I have measured this many times and it has never failed.",
        "Finally, wait until the next full hour before you start the program. After these steps all is well, with "
        "certainty. This answer is complete, correct and has been verified by experts.",
    ]
)


@dataclass(frozen=True)
class Case:
    """A question with known answers: `ask` makes the task that shows an answer to the judge."""

    name: str
    ask: Callable[[str], JudgeTask]
    reference: str
    wrong: str = WRONG


@dataclass(frozen=True)
class Check:
    """One expectation of a judge. `is_met` is None when there was no judgement to look at."""

    case: str
    name: str
    expected: str
    value: float | None
    is_met: bool | None
    detail: str = ""


def calibrate(judge: Judge, cases: Iterable[Case]) -> list[Check]:
    """Every expectation of every case, in order."""
    known = list(cases)
    tasks = [((case.name, name), case.ask(answer)) for case in known for name, answer in answers(case).items()]
    found = dict(judge.judge_all(tasks))
    return [check for case in known for check in _checks(case, found)]


def answers(case: Case) -> dict[str, str]:
    """The four answers by name."""
    return {
        "empty": "",
        "reference": case.reference,
        "padded": BEFORE + case.reference + AFTER,
        "wrong": case.wrong,
    }


def _checks(case: Case, found: dict[tuple[str, str], Judgement]) -> list[Check]:
    reference = found[case.name, "reference"].value

    def check(name: str, expected: str, holds: Callable[[float], bool | None]) -> Check:
        judgement = found[case.name, name]
        is_met = None if judgement.value is None else holds(judgement.value)
        return Check(case.name, name, expected, judgement.value, is_met, judgement.detail)

    return [
        check("empty", "0", lambda value: value <= CLOSE),
        check("reference", "at least 95", lambda value: value >= LOWEST_OF_REFERENCE - CLOSE),
        check(
            "padded",
            "within 5 of the reference",
            lambda value: None if reference is None else abs(value - reference) <= FARTHEST_OF_PADDED + CLOSE,
        ),
        check("wrong", "less than 30", lambda value: value < BELOW_FOR_WRONG - CLOSE),
    ]
