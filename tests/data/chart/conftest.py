"""One zygote for a module's tests; none is left open for the sandbox's own tests."""

from __future__ import annotations

import pytest

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Sample
from viscodex.data.chart.execution import DrawChart, Run
from viscodex.data.chart.settings import Settings
from viscodex.sandbox import chart_environment
from viscodex.sandbox.chart import Charts


@pytest.fixture(scope="module")
def charts():
    try:
        environment = chart_environment.make()
    except VisCodexError as error:
        pytest.skip(f"no chart environment: {error.problem}")
    with Charts(environment=environment) as opened:
        yield opened


def script(code: str, name: str = "chart-1", **checks) -> Sample:
    return Sample(id=name, kind="chart", prompt=(), response=code, checks=checks)


@pytest.fixture(scope="module")
def drawn(charts):
    """`drawn(code, **settings)`: run, run again with the picture; the last verdict."""

    def judge(code: str, **settings):
        chosen = Settings(**settings)
        return DrawChart(chosen)(charts, Run(chosen)(charts, script(code)).row)

    return judge
