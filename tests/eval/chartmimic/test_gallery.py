"""Scripts that nobody wrote for us: examples of the pinned matplotlib, each against itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.eval.chartmimic.conftest import chart, score

from viscodex.core.errors import VisCodexError
from viscodex.eval.chartmimic.metrics import LOW
from viscodex.sandbox import chart_environment

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
EVERY = 12


@pytest.fixture(scope="module")
def gallery(scorer) -> list[Path]:
    """All of its scripts; benchmarks/chart.py knows where they come from."""
    code = "import chart, sys; print(*chart.gallery(chart.chart_environment.require()), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("the gallery cannot be had: " + (done.stderr.strip().splitlines() or ["?"])[-1])
    return [Path(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_a_script_against_itself_has_everything(scorer, gallery):
    assert chart_environment.require().packages["matplotlib"] == "3.8.4"
    compared = 0
    for path in gallery[::EVERY]:
        code = path.read_text(encoding="utf-8")
        if "```" in code:
            continue
        sample = chart(code)
        try:
            found = score(scorer, sample, sample.response)["fixed"]
        except VisCodexError:  # it wants LaTeX, a window, a file
            continue
        assert {name: found.values[name] for name in LOW} == dict.fromkeys(LOW, 1.0), path
        compared += 1
    assert compared > 25
