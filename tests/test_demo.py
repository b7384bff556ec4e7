"""The demo's last step: which benchmarks it can run here."""

from __future__ import annotations

from viscodex.core.errors import VisCodexError
from viscodex.demo import measurable
from viscodex.eval import score


def test_what_cannot_be_measured_here_is_named_with_its_remedy(monkeypatch):
    def environment_of(benchmark):
        if benchmark.name == "chartmimic":
            raise VisCodexError("no chart environment", hint="viscodex sandbox charts-setup")
        return {}

    monkeypatch.setattr(score, "environment_of", environment_of)
    usable, lines = measurable()
    assert usable == ["design2code", "mmcode", "infibench"]
    assert lines == ["chartmimic is left out: no chart environment (viscodex sandbox charts-setup)"]
