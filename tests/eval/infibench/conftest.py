"""The recorded cases as the importer reads them, and short ways to grade one answer."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Rules
from viscodex.eval.infibench import BENCHMARK, grading
from viscodex.eval.infibench.measure import Measured, measure

GOLDEN = Path(__file__).parents[2] / "golden" / "infibench"


@pytest.fixture(scope="session")
def recorded() -> Callable[[str], Any]:
    """A recorded file by its name."""
    return lambda name: json.loads((GOLDEN / name).read_text())


@pytest.fixture(scope="session")
def table(recorded: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recorded cases as a CSV with the columns of v2.1."""
    path = tmp_path_factory.mktemp("infibench") / "suite_v2.1.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["no", "case_path", "prompt", "eval_spec", "dependencies"])
        for number, (name, case) in enumerate(recorded("specs.json").items()):
            files = json.dumps(case["files"])
            writer.writerow([number, f"cases/eval_{name}.yaml", case["prompt"], case["eval_spec"], files])
    return path


@pytest.fixture(scope="session")
def published(table: Path) -> dict[str, Sample]:
    """The recorded cases by id."""
    return {sample.id: sample for sample in BENCHMARK.load(table).samples}


@pytest.fixture(scope="session")
def scorer():
    opened = BENCHMARK.open_scorer()
    yield opened
    opened.close()


@pytest.fixture
def graded() -> Callable[..., Measured]:
    """`graded(answer, keywords=[…])`: one answer under a grading, as InfiBench writes it."""

    def grade(answer: str, protocol: Rules = "fixed", language: str = "python", **raw: Any) -> Measured:
        spec, _ = grading.read(raw, {}, language, "published")
        return measure(spec, answer, protocol)

    return grade
