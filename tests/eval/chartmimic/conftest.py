"""One scorer for each file, its references in a folder of their own; the recorded cases as samples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Outcome, Score
from viscodex.eval.chartmimic.scorer import LIMITS, ChartScorer
from viscodex.model.generate import Completion
from viscodex.sandbox import chart_environment

GOLDEN = Path(__file__).parents[2] / "golden" / "chartmimic"
CASES: dict[str, dict[str, Any]] = {
    case["id"]: case for case in json.loads((GOLDEN / "reference_scores.json").read_text())["cases"]
}


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChartScorer]:
    try:
        chart_environment.make()
    except VisCodexError as error:
        pytest.skip(f"no chart environment: {error.problem}")
    scorer = ChartScorer(tmp_path_factory.mktemp("references"), limits=replace(LIMITS, cpu_s=4, wall_s=60))
    yield scorer
    scorer.close()


def fenced(code: str) -> str:
    return f"```python\n{code}\n```"


def chart(code: str, name: str = "bar_1", **checks: object) -> Sample:
    """A sample whose reference is a script."""
    checks = {"category": name.rpartition("_")[0], **checks}
    return Sample(id=name, kind="chart", prompt=("draw",), response=fenced(code), checks=checks)


def recorded(case: dict[str, Any]) -> tuple[Sample, Completion]:
    sample = chart((GOLDEN / case["golden"]).read_text(), case["id"])
    return sample, Completion(sample_id=case["id"], text=(GOLDEN / case["response"]).read_text())


def score(scorer: ChartScorer, sample: Sample, answer: str) -> dict[str, Score]:
    """The scores of an answer by protocol."""
    return by_protocol(scorer.score(sample, Completion(sample_id=sample.id, text=answer)))


def by_protocol(outcome: Outcome) -> dict[str, Score]:
    return {score.protocol: score for score in outcome.scores}
