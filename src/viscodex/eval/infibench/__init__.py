"""InfiBench (234 questions in text, imported) and InfiBench-V (questions with pictures; the suite here is our own)."""

from __future__ import annotations

from viscodex.eval.benchmark import Benchmark, Metric
from viscodex.eval.infibench.deviations import DEVIATIONS
from viscodex.eval.infibench.lint import lint_suite
from viscodex.eval.infibench.measure import judged
from viscodex.eval.infibench.sampling import best_of_10_over_30, reductions
from viscodex.eval.infibench.scorer import InfiBenchScorer
from viscodex.eval.infibench.suite import groups, load

__all__ = ["BENCHMARK", "best_of_10_over_30", "judged", "lint_suite"]

METRICS = (
    Metric("score", "Score of the question; with a judge where the question has one"),
    Metric("keywords", "Keywords"),
    Metric("blank_filling", "Blank filling"),
    Metric("unit_test", "Unit tests", needs="the language's runtime and the packages that the tests import"),
    Metric("similarity", "Similarity (ROUGE)"),
    Metric("customized", "Scorers by name", needs="a scorer registered under the name"),
    Metric("judge", "Judge: correctness and completeness", judged=True, needs="a judge"),
)

BENCHMARK = Benchmark(
    name="infibench",
    title="InfiBench-V",
    version="1",
    kind="qa",
    metrics=METRICS,
    columns={"infibench-v": ("score",)},
    load=load,
    open_scorer=InfiBenchScorer,
    deviations=DEVIATIONS,
    groups=groups,
    settle=judged,
    extra=reductions,
)
