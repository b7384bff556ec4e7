"""A benchmark small enough to know every number by heart: how many letters of the answer are those of the reference.

It is no stand-in for the four: it shows what the stages do with any benchmark, and with a scorer that breaks.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Benchmark, Metric, Outcome, Score, Suite
from viscodex.model.generate import Completion

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)
SAMPLES = tuple(
    Sample(id=name, kind="qa", prompt=(f"Spell {word}.",), response=word, checks={"group": group})
    for name, word, group in [("a", "abcd", "one"), ("b", "bcde", "one"), ("c", "cdef", "two"), ("d", "defg", "two")]
)


class Letters:
    """Scores; says so in a file per call; breaks when an answer tells it to."""

    def __init__(self) -> None:
        self.environment = {"alphabet": os.environ.get("LETTERS_ALPHABET", "latin")}

    def score(self, sample: Sample, completion: Completion) -> Outcome:
        calls = os.environ.get("LETTERS_CALLS")
        if calls:
            with Path(calls).open("a") as file:
                file.write(f"{sample.id}\n")
        if "raise" in completion.text:
            raise RuntimeError("the scorer broke")
        if "die" in completion.text:
            os.kill(os.getpid(), signal.SIGKILL)
        place = {"sample_id": sample.id, "index": completion.index}
        if not completion.text:
            failed = {**place, "status": "failed", "reason": "empty", "values": {"letters": 0.0, "first": 0.0}}
            return Outcome(tuple(Score(**failed, protocol=p) for p in ("fixed", "paper")))
        right = sum(a == b for a, b in zip(completion.text, sample.response, strict=False)) / len(sample.response)
        first = float(completion.text[0] == sample.response[0])
        scores = [Score(**place, protocol=p, values={"letters": right, "first": first}) for p in ("fixed", "paper")]
        return Outcome(tuple(scores), {"answer": PNG})

    def close(self) -> None:
        pass


LETTERS = Benchmark(
    name="letters",
    title="Letters",
    version="1",
    kind="qa",
    metrics=(Metric("letters", "letters"), Metric("first", "first letter")),
    columns={"all": ("letters", "first")},
    load=lambda path: Suite(SAMPLES, full_size=4),
    open_scorer=Letters,
    groups=lambda sample: {"group": sample.checks["group"]},
)
