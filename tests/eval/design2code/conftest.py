"""One browser and one folder of references for all of the benchmark's tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Outcome
from viscodex.eval.design2code.answer import fenced
from viscodex.eval.design2code.block import Block
from viscodex.eval.design2code.scorer import Design2CodeScorer
from viscodex.model.extract import extract
from viscodex.model.generate import Completion

GOLDEN = Path(__file__).parents[2] / "golden" / "design2code"
LOW = {"block": "block_match", "text": "text", "position": "position", "color": "color"}
"""Our names and the recorded ones."""

Cases = dict[str, dict[str, Any]]
Score = Callable[..., Outcome]


@pytest.fixture(scope="session")
def cases() -> Cases:
    found: Cases = json.loads((GOLDEN / "scores.json").read_bytes())["cases"]
    assert len(found) == 12
    return found


@pytest.fixture(scope="session")
def page() -> Callable[[str], str]:
    """A recorded page by its path."""
    return lambda path: (GOLDEN / path).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Design2CodeScorer]:
    opened = Design2CodeScorer(folder=tmp_path_factory.mktemp("kept"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def score(scorer: Design2CodeScorer) -> Score:
    """Score an answer (its text) against a page."""

    def run(answer: str, reference: str, name: str = "x") -> Outcome:
        sample = Sample(id=name, kind="html", prompt=("?",), response=fenced(reference))
        return scorer.score(sample, Completion(sample_id=name, text=answer, code=extract(answer, "html")))

    return run


def blocks(rows: list[dict[str, Any]] | None) -> list[Block]:
    """Recorded blocks."""
    return [Block(row["text"], tuple(row["bbox"]), tuple(row["color"])) for row in rows or []]
