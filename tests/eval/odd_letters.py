"""Scorers of letters with a particular habit each, for those who keep scorers open; they write a diary of what they do.

A diary line is `WHAT PID SECONDS`, in seconds of the machine's monotonic clock, which all processes share.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from tests.eval.letters import LETTERS, Letters
from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Benchmark, Metric, Outcome, Score
from viscodex.model.generate import Completion

BUSY_S = 0.6


def note(what: str) -> None:
    with Path(os.environ["LETTERS_DIARY"]).open("a") as diary:
        diary.write(f"{what} {os.getpid()} {time.monotonic()}\n")


class Diarist(Letters):
    """Cannot open while the file LETTERS_CLOSED exists."""

    def __init__(self) -> None:
        super().__init__()
        if Path(os.environ.get("LETTERS_CLOSED", "/nowhere")).exists():
            raise VisCodexError("no alphabet here", hint="learn one")
        note("open")

    def close(self) -> None:
        note("close")


class Busy(Diarist):
    """Thinks for a while, in Python, without ever waiting for anything."""

    def score(self, sample: Sample, completion: Completion) -> Outcome:
        note("begin")
        end = time.monotonic() + BUSY_S
        while time.monotonic() < end:
            pass
        note("end")
        return super().score(sample, completion)


class Choosy(Letters):
    """`fixed` lacks the first letter's number; `paper` finds everything perfect. Tells what it was given."""

    def score(self, sample: Sample, completion: Completion) -> Outcome:
        seen = completion.model_dump(include={"code", "finish", "index", "generator"})
        place = {"sample_id": sample.id, "index": completion.index, "evidence": seen}
        return Outcome(
            (
                Score(**place, protocol="fixed", values={"letters": 0.5, "first": None, "beauty": None}),
                Score(**place, protocol="paper", values={"letters": 1.0, "first": 1.0, "beauty": None}),
            )
        )


class OneSided(Letters):
    """Forgets the paper's protocol."""

    def score(self, sample: Sample, completion: Completion) -> Outcome:
        return Outcome(super().score(sample, completion).scores[:1])


ONE_SIDED: Benchmark = replace(LETTERS, name="one-sided", open_scorer=OneSided)
DIARY: Benchmark = replace(LETTERS, name="diary", open_scorer=Diarist)
BUSY: Benchmark = replace(LETTERS, name="busy", open_scorer=Busy)
CHOOSY: Benchmark = replace(
    LETTERS,
    name="choosy",
    metrics=(*LETTERS.metrics, Metric("beauty", "beauty", judged=True)),
    columns={"spelling": ("letters",), "all": ("letters", "first"), "taste": ("beauty",)},
    open_scorer=Choosy,
    max_new_tokens=17,
)
