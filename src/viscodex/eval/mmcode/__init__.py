"""MMCode: contest problems with pictures; a program passes when it passes every test (arXiv 2404.09486)."""

from __future__ import annotations

from viscodex.eval.benchmark import Benchmark, Metric
from viscodex.eval.mmcode.deviations import DEVIATIONS
from viscodex.eval.mmcode.loader import groups, load
from viscodex.eval.mmcode.passes import passes
from viscodex.eval.mmcode.scorer import MMCodeScorer

BENCHMARK = Benchmark(
    name="mmcode",
    title="MMCode",
    version="1",
    kind="algorithm",
    metrics=(Metric("passed", "passes every test"),),
    columns={"pass@1": ("passed",)},
    load=load,
    open_scorer=MMCodeScorer,
    deviations=DEVIATIONS,
    max_new_tokens=8192,
    groups=groups,
    extra=passes,
)
