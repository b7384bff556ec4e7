"""One answer under one protocol: the points of every metric, and the score that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from viscodex.eval.benchmark import Rules, Score
from viscodex.eval.infibench import blank_filling, customized, keywords, similarity, unit_test
from viscodex.eval.infibench.grading import Grading
from viscodex.eval.infibench.patterns import Patterns
from viscodex.eval.infibench.points import Points


@dataclass(frozen=True)
class Measured:
    """Points by metric, and what they come to: `raw` as the suite counts (it may leave [0, 1]), `values` in [0, 1]."""

    points: Mapping[str, Points]
    raw: float | None
    values: Mapping[str, float | None]


def measure(grading: Grading, answer: str, protocol: Rules, patterns: Patterns | None = None) -> Measured:
    """Every metric of a question but the judge's. Raises UnmeasuredError and RefusedError.

    `patterns`: what is known of this answer's patterns from the other protocol.
    """
    found = declared(grading, answer, protocol, Patterns() if patterns is None else patterns)
    if grading.similarity:
        found["similarity"] = similarity.grade(grading.similarity, answer)
    if grading.customized:
        found["customized"] = customized.grade(grading.customized, answer)
    if grading.unit_test:
        found["unit_test"] = unit_test.grade(grading.unit_test, answer, protocol)
    values: dict[str, float | None] = {name: points.share for name, points in found.items()}
    if grading.judge_notes is not None:
        values["judge"] = None
    raw = published(grading, found) if grading.combination == "published" else weighted(values, grading.weights)
    return Measured(found, raw, {"score": None if raw is None else min(1.0, max(0.0, raw)), **values})


def declared(grading: Grading, answer: str, protocol: Rules, patterns: Patterns) -> dict[str, Points]:
    """Keywords and blanks. All patterns are met in a first pass, run in one box, and known in the second."""
    filled = blank_filling.fill(grading.blank_filling, answer) if grading.blank_filling else None
    while True:
        found: dict[str, Points] = {}
        if grading.keywords:
            found["keywords"] = keywords.grade(grading.keywords, answer, protocol, patterns)
        if grading.blank_filling and filled:
            found["blank_filling"] = blank_filling.grade(grading.blank_filling, filled, protocol, patterns)
        if not patterns.wanted:
            break
        patterns.resolve()
    if grading.keywords and grading.keywords.handler:
        found["keywords"] = customized.grade(grading.keywords.handler, answer, found["keywords"])
    return found


def published(grading: Grading, found: Mapping[str, Points]) -> float:
    """Points over total, bounded first by max_score, which is then the total, and by min_score."""
    points = sum(one.points for one in found.values())
    total = sum(one.total for one in found.values())
    if grading.max_score is not None:
        total = grading.max_score
        points = min(points, total)
    if grading.min_score is not None:
        points = max(points, grading.min_score)
    return points / total


def weighted(values: Mapping[str, float | None], weights: Mapping[str, float]) -> float | None:
    """The weighted mean of a question's metrics; None while one of them is still to be judged."""
    parts = {name: value for name, value in values.items() if name != "score"}
    if any(value is None for value in parts.values()):
        return None
    total = sum(weights.get(name, 1.0) for name in parts)
    return sum(weights.get(name, 1.0) * value for name, value in parts.items() if value is not None) / total


def judged(score: Score) -> Score:
    """A score whose `judge` is now known, with the mean that had to wait for it; any other score as it is."""
    if score.status != "scored" or score.values.get("judge") is None or "weights" not in score.evidence:
        return score
    mean = weighted(score.values, score.evidence["weights"])
    return score.model_copy(update={"values": {**score.values, "score": mean}})
