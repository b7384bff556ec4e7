"""The four benchmarks with little patience, so that a corpus of endless programs and pages is over soon.

`QUESTIONS` holds a task of each; its answers are scored in the pool's processes, which import this file.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Benchmark, Scorer, Suite, benchmark
from viscodex.eval.infibench import cases
from viscodex.sandbox.browser import Browser
from viscodex.sandbox.limits import MIB, Limits
from viscodex.sandbox.pages import Page, View

PAGE = "<!DOCTYPE html><html><body><h1>Welcome</h1><p>Some words about the garden.</p></body></html>"
CHART = "import matplotlib.pyplot as plt\nplt.bar([1, 2], [1, 2], color='r')\nplt.title('t')\nplt.show()"
GRADING = """
id: q
lang: python
type: x
grading:
  keywords: [garden]
  unit_test: {tests: [{content: "assert add(2, 2) == 4", timeout: 0.2}]}
"""
PAGE_CPU_S, PAGE_WALL_S = 1.5, 8.0


class ImpatientBrowser(Browser):
    """A page has a second and a half."""

    def render(self, html: str, view: View = View()) -> Page:
        limits = replace(view.limits, cpu_s=PAGE_CPU_S, wall_s=PAGE_WALL_S)
        return super().render(html, replace(view, limits=limits))


def open_design2code() -> Scorer:
    from viscodex.eval.design2code.scorer import Design2CodeScorer

    return Design2CodeScorer(folder=Path(tempfile.mkdtemp()), browser=ImpatientBrowser())


def open_chartmimic() -> Scorer:
    from viscodex.eval.chartmimic.scorer import LIMITS, ChartScorer

    return ChartScorer(Path(tempfile.mkdtemp()), limits=replace(LIMITS, cpu_s=0.8, wall_s=3.0), judged=False)


def open_mmcode() -> Scorer:
    from viscodex.eval.mmcode.scorer import MMCodeScorer

    return MMCodeScorer(limits=Limits(cpu_s=0.4, wall_s=1.5, memory=256 * MIB, stdout=1 * MIB))


def _question() -> Sample:
    found = cases.case(GRADING, "Which word is it?", {}, "q").sample
    assert found is not None
    return found


QUESTIONS: Mapping[str, Sample] = {
    "design2code": Sample(id="q", kind="html", prompt=("?",), response=f"```html\n{PAGE}\n```"),
    "chartmimic": Sample(
        id="q",
        kind="chart",
        prompt=("?",),
        response=f"```python\n{CHART}\n```",
        checks={"category": "bar", "task": "direct"},
    ),
    "mmcode": Sample(
        id="q",
        kind="algorithm",
        prompt=("?",),
        checks={"input_output": json.dumps({"inputs": ["a b\n"], "outputs": ["no program prints this"]})},
    ),
    "infibench": _question(),
}
OPENERS = {"design2code": open_design2code, "chartmimic": open_chartmimic, "mmcode": open_mmcode}


def impatient(name: str) -> tuple[Benchmark, Suite]:
    """The benchmark with an impatient scorer, and a suite of its one question."""
    found = benchmark(name)
    suite = Suite((QUESTIONS[name],))
    return replace(found, load=lambda path: suite, open_scorer=OPENERS.get(name, found.open_scorer)), suite
