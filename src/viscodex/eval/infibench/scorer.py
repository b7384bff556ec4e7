"""The scorer: one answer, both protocols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Outcome, Rules, Score
from viscodex.eval.infibench import grading as gradings
from viscodex.eval.infibench import runtimes
from viscodex.eval.infibench.grading import Grading
from viscodex.eval.infibench.judge import judge_task
from viscodex.eval.infibench.measure import measure
from viscodex.eval.infibench.patterns import Patterns
from viscodex.eval.infibench.points import RefusedError, UnmeasuredError
from viscodex.model.extract import normalised, without_reasoning
from viscodex.model.generate import Completion

LONGEST = 4 << 20
"""Characters of an answer that is looked at."""
SHOWN = 300
"""Characters of a detail."""


@dataclass(frozen=True)
class Case:
    """What a sample's checks say: see cases.py."""

    grading: Grading
    full_score: float
    null_score: float
    weight: float

    @classmethod
    def of(cls, sample: Sample) -> Case:
        """Raises GradingError for a sample that no importer of ours has made."""
        checks = sample.checks
        combination: gradings.Combination = "weighted" if checks["format"] == "infibench-v" else "published"
        grading, _ = gradings.read(checks["grading"], checks["files"], checks["language"], combination)
        return cls(grading, checks["full_score"], checks["null_score"], checks["weight"])

    @property
    def floor(self) -> dict[str, float | None]:
        """The values of no answer."""
        null = min(1.0, max(0.0, self.null_score / self.full_score)) if self.full_score > 0 else 0.0
        return {"score": null, **dict.fromkeys(self.grading.families, 0.0)}

    @property
    def evidence(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"weight": self.weight, "full_score": self.full_score}
        if self.grading.combination == "weighted":
            shown["weights"] = {name: self.grading.weights.get(name, 1.0) for name in self.grading.families}
        return shown


def said(completion: Completion) -> str:
    """The answer itself: Unix newlines, and without the reasoning that led to it."""
    return without_reasoning(normalised(completion.text), "qa")


class InfiBenchScorer:
    """Scores by rules and, where a question has tests, in boxes. `environment`: versions of ROUGE and the runtimes."""

    def __init__(self) -> None:
        self.environment: Mapping[str, str] = {"rouge_score": version("rouge_score"), **runtimes.versions()}

    def score(self, sample: Sample, completion: Completion) -> Outcome:
        case = Case.of(sample)
        patterns = Patterns()
        fixed = self._score(case, sample, completion, "fixed", patterns)
        scores = (fixed, self._score(case, sample, completion, "paper", patterns))
        waits = fixed.status == "scored" and "judge" in fixed.values
        return Outcome(scores, judge=(judge_task(sample, case.grading, said(completion)),) if waits else ())

    def close(self) -> None:
        """Nothing is held."""

    def _score(self, case: Case, sample: Sample, completion: Completion, protocol: Rules, patterns: Patterns) -> Score:
        make: Callable[..., Score] = lambda **fields: Score(  # noqa: E731
            sample_id=sample.id, index=completion.index, protocol=protocol, **fields
        )
        if completion.finish == "error":
            return make(status="unscored", reason="generation", detail=completion.reason[:SHOWN])
        answer = said(completion) if protocol == "fixed" else completion.text
        if protocol == "fixed" and not answer.strip():
            return make(status="failed", values=case.floor, reason="empty", evidence=case.evidence)
        try:
            if len(answer) > LONGEST:
                raise RefusedError("too_long", f"{len(answer)} characters")
            measured = measure(case.grading, answer, protocol, patterns)
        except UnmeasuredError as error:
            return make(status="unscored", reason=error.reason, detail=error.detail[:SHOWN])
        except RefusedError as error:
            floor = case.floor
            return make(status="failed", values=floor, reason=error.reason, detail=error.detail, evidence=case.evidence)
        points = {
            name: {"points": one.points, "total": one.total, "trace": list(one.trace)}
            for name, one in measured.points.items()
        }
        raw = None if measured.raw is None else measured.raw * case.full_score
        return make(values=dict(measured.values), evidence={**case.evidence, "points": points, "raw": raw})
