"""Several answers to one task, looked at and ranked: what works before what does not, then what looks most alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from viscodex.core.sample import Sample
from viscodex.model.generate import Completion
from viscodex.serve.outcome import RUNS, Outcome, run
from viscodex.serve.similarity import Likeness, compare_png


@dataclass(frozen=True)
class Candidate:
    """An answer and what became of it. `likeness`: to the task's picture, where both are pictures."""

    completion: Completion
    outcome: Outcome | None = None
    likeness: Likeness | None = None

    @property
    def similarity(self) -> float:
        """From 0 to 1; what made no picture, or failed, is like nothing."""
        return self.likeness.value if self.likeness else 0.0

    @property
    def worth(self) -> tuple[bool, bool, float, bool]:
        """What candidates are ranked by: it works, it holds code, how alike it looks, it was not cut."""
        is_ok = self.outcome is not None and self.outcome.is_ok
        return is_ok, bool(self.completion.code), self.similarity, self.completion.finish == "stop"


def look(sample: Sample, completion: Completion, *, compares: bool = True) -> Candidate:
    """Run an answer and compare its picture with the task's last one, whose window it gets in any case."""
    if sample.kind not in RUNS or completion.finish == "error":
        return Candidate(completion)
    reference = sample.images[-1] if sample.images and sample.kind in ("html", "chart") else None
    outcome = run(sample.kind, completion.code, *([reference.load().size] if reference else []))
    if reference is None or not compares or not outcome.png or not outcome.is_ok:
        return Candidate(completion, outcome)
    return Candidate(completion, outcome, compare_png(outcome.png, reference.read()))


def best(candidates: Sequence[Candidate]) -> Candidate:
    """The first of the best."""
    return max(candidates, key=lambda candidate: candidate.worth)
