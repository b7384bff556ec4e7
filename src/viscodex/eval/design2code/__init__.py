"""Design2Code (arXiv 2403.03163): a screenshot of a page in, HTML out; the two pages are compared as they look."""

from __future__ import annotations

from viscodex.eval.benchmark import Benchmark, Metric
from viscodex.eval.design2code.deviations import DEVIATIONS
from viscodex.eval.design2code.load import load
from viscodex.eval.design2code.scorer import VERSION, open_scorer
from viscodex.eval.design2code.scores import LOW

__all__ = ["BENCHMARK"]

BENCHMARK = Benchmark(
    name="design2code",
    title="Design2Code",
    version=VERSION,
    kind="html",
    metrics=(
        Metric("block", "Block-Match"),
        Metric("text", "Text"),
        Metric("position", "Position"),
        Metric("color", "Color"),
        Metric("clip", "CLIP", needs="CLIP ViT-B/32"),
    ),
    columns={"low": LOW, "high": ("clip",), "final": (*LOW, "clip")},
    load=load,
    open_scorer=open_scorer,
    deviations=DEVIATIONS,
)
