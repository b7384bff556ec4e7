"""The device benchmark of training runs, on tiny shapes and the CPU, and its numbers add up."""

from __future__ import annotations

import json
import sys

import pytest


@pytest.mark.slow
def test_a_step_is_measured_in_every_variant(repository, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    from training.device import VARIANTS, measure_device

    path = measure_device("cpu", "tiny", tmp_path)
    result = json.loads(path.read_text())
    assert [row[""] for row in result["rows"]] == list(VARIANTS)
    details = result["details"]
    assert len({facts["operations"] for facts in details.values()}) == 1, "the same work, however it is done"
    for facts in details.values():
        assert sum(facts["parts"].values()) == pytest.approx(facts["seconds"], rel=0.25)
        assert min(facts["parts"].values()) > 0
    assert details["packed, chunked loss, checkpointing"]["packs"] == 1
    assert details["one sample a forward pass"]["packs"] == 6
    assert "training" in sys.modules


def test_operations_of_a_step(repository):
    """6 operations a token and parameter with everything trained; attention by the square of each sample."""
    from viscodex.train.flops import Cost

    cost = Cost(layers=1000, head=100, vision=10, depth=2, width=8, factor=6.0)
    assert (
        cost.step(tokens=5, answers=3, patches=7, squares=25)
        == 6 * 1000 * 5 + 6 * 100 * 3 + 6 * 2 * 8 * 25 + 2 * 10 * 7
    )
