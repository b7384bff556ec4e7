"""ChartMimic: from the picture of a chart to the script that draws it (arXiv 2406.09961, direct mimic).

answer ─► script ─► one execution ─► text, layout, types, colours ─► F1 against the reference's = low
                                 └─► picture, beside the reference's ─► judge = high
"""

from __future__ import annotations

from collections.abc import Mapping

from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Benchmark, Metric, Score, Scorer
from viscodex.eval.chartmimic.deviations import DEVIATIONS
from viscodex.eval.chartmimic.load import load
from viscodex.eval.chartmimic.metrics import LOW


def _open_scorer() -> Scorer:
    from viscodex.eval.chartmimic.scorer import ChartScorer

    return ChartScorer()


def _open_unjudged() -> Scorer:
    from viscodex.eval.chartmimic.scorer import ChartScorer

    return ChartScorer(judged=False)


def _groups(sample: Sample) -> Mapping[str, str]:
    return {"category": str(sample.checks["category"]), "task": str(sample.checks["task"])}


def _extra(scores: tuple[Score, ...]) -> Mapping[str, float]:
    """How many answers executed; and `low` without the filter: of what there is of a figure when a script failed."""
    counted = [score for score in scores if score.status != "unscored"]
    if not counted:
        return {}
    low = [sum(score.evidence.get("no_filter", {}).get(name, 0.0) for name in LOW) / len(LOW) for score in counted]
    executed = sum(score.status == "scored" for score in counted)
    return {"executed": executed / len(counted), "low, no filter": sum(low) / len(counted)}


BENCHMARK = Benchmark(
    name="chartmimic",
    title="ChartMimic",
    version="2",
    kind="chart",
    metrics=(
        Metric("text", "Text"),
        Metric("layout", "Layout"),
        Metric("type", "Chart types"),
        Metric("color", "Colour"),
        Metric("judge", "Judge", judged=True),
    ),
    columns={"low": LOW, "high": ("judge",)},
    load=load,
    open_scorer=_open_scorer,
    open_unjudged=_open_unjudged,
    deviations=DEVIATIONS,
    groups=_groups,
    extra=_extra,
)
