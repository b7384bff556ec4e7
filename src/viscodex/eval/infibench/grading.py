"""How one question is graded: its metrics, and how their points become a score.

published   points and totals of all metrics are added, then bounded by max_score and min_score.
weighted    each metric is brought to [0, 1]; the score is their weighted mean (InfiBench-V).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from viscodex.eval.benchmark import Rules
from viscodex.eval.infibench import blank_filling, keywords, similarity, unit_test
from viscodex.eval.infibench.blank_filling import BlankFilling
from viscodex.eval.infibench.keywords import Keywords
from viscodex.eval.infibench.reading import GradingError, Reader
from viscodex.eval.infibench.similarity import Similarity
from viscodex.eval.infibench.unit_test import UnitTests

FAMILIES = ("keywords", "blank_filling", "unit_test", "similarity", "customized", "judge")
Combination = Literal["published", "weighted"]


@dataclass(frozen=True)
class Grading:
    """The metrics of a question; None or empty: not used. `judge_notes`: what a judge is told beside the reference."""

    combination: Combination
    keywords: Keywords | None = None
    blank_filling: BlankFilling | None = None
    unit_test: UnitTests | None = None
    similarity: tuple[Similarity, ...] = ()
    customized: str = ""
    judge_notes: str | None = None
    max_score: float | None = None
    min_score: float | None = None
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def families(self) -> tuple[str, ...]:
        judged = self.judge_notes is not None
        found = (self.keywords, self.blank_filling, self.unit_test, self.similarity, self.customized, judged)
        return tuple(name for name, used in zip(FAMILIES, found, strict=True) if used)

    def total(self, protocol: Rules) -> float:
        """The points that there are; a customized metric's are known only when it has run, and taken as 1."""
        found = self.keywords.total(protocol) if self.keywords else 0.0
        found += self.blank_filling.total() if self.blank_filling else 0.0
        found += self.unit_test.total() if self.unit_test else 0.0
        return found + sum(spec.total() for spec in self.similarity) + (1.0 if self.customized else 0.0)


def read(raw: Any, files: Mapping[str, str], language: str, combination: Combination) -> tuple[Grading, Reader]:
    """A grading from untyped data, with the reader's oddities. Raises GradingError for one that cannot be used."""
    reader = Reader(files)
    extra = ("max_score", "min_score") if combination == "published" else ("weights",)
    known = reader.mapping(raw, "grading", (*FAMILIES, *extra))
    given = {name for name in known if known[name] is not None}
    bounds = {name: reader.number(known[name], name) for name in extra if name in given and name != "weights"}
    is_weighted = combination == "weighted"
    blanks = "blank_filling"
    grading = Grading(
        combination,
        keywords=keywords.read(reader, known["keywords"], "keywords") if "keywords" in given else None,
        blank_filling=blank_filling.read(reader, known[blanks], blanks) if blanks in given else None,
        unit_test=unit_test.read(reader, known["unit_test"], "unit_test", language) if "unit_test" in given else None,
        similarity=similarity.read(reader, known["similarity"], "similarity") if "similarity" in given else (),
        customized=keywords.read_handler(reader, known["customized"], "customized") if "customized" in given else "",
        judge_notes=_read_judge(reader, known["judge"]) if "judge" in given and is_weighted else None,
        weights=_read_weights(reader, known["weights"]) if "weights" in given and is_weighted else {},
        max_score=bounds.get("max_score"),
        min_score=bounds.get("min_score"),
    )
    _check(grading)
    return grading, reader


def _read_judge(reader: Reader, value: Any) -> str:
    known = reader.mapping(value, "judge", ("notes",))
    return reader.text(known["notes"], "judge.notes") if known.get("notes") is not None else ""


def _read_weights(reader: Reader, value: Any) -> dict[str, float]:
    known = reader.mapping(value, "weights", FAMILIES)
    weights = {str(name): reader.number(weight, f"weights.{name}") for name, weight in known.items()}
    if any(weight <= 0 for weight in weights.values()):
        raise GradingError("a weight must be above 0", "weights")
    return weights


def _check(grading: Grading) -> None:
    if not grading.families:
        raise GradingError("no metric", "grading", "no_metric")
    bare = grading.families == ("judge",)
    if not bare and grading.max_score is None and min(grading.total("paper"), grading.total("fixed")) <= 0:
        raise GradingError("there are no points to gain", "grading", "no_points")
    if grading.max_score is not None and grading.max_score <= 0:
        raise GradingError(f"max_score is {grading.max_score}", "max_score", "no_points")
