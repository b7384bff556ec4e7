"""One pool of zygotes for each back end, started once; tests that must break a zygote start their own."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from viscodex.core.errors import VisCodexError
from viscodex.sandbox import backends, chart_environment
from viscodex.sandbox.backends import ISOLATING, Backend
from viscodex.sandbox.chart import LIMITS, Chart, Charts
from viscodex.sandbox.chart_environment import ChartEnvironment
from viscodex.sandbox.limits import MIB

# Generous with time, because the machine that runs the tests may be busy; small in everything else.
SMALL = replace(LIMITS, cpu_s=3, wall_s=40, memory=512 * MIB, address_space=2048 * MIB, work_size=16 * MIB,
                tmp_size=8 * MIB, shm_size=8 * MIB, inodes=2000, processes=16)  # fmt: skip

Run = Callable[..., Chart]


@pytest.fixture(scope="session")
def environment() -> ChartEnvironment:
    """The chart environment, made now if this machine has none yet."""
    try:
        return chart_environment.make()
    except VisCodexError as error:
        pytest.skip(f"no chart environment: {error.problem}")


@pytest.fixture(scope="session", params=ISOLATING)
def backend(request: pytest.FixtureRequest) -> Backend:
    if reason := backends.problem(request.param):
        pytest.skip(f"{request.param}: {reason}")
    return request.param


@pytest.fixture(scope="session", params=["bwrap", "bwrap, domain", "landlock"])
def charts(request: pytest.FixtureRequest, environment: ChartEnvironment) -> Iterator[Charts]:
    """Two zygotes, for each of the ways in which scripts are held."""
    backend, _, shared = request.param.partition(", ")
    if reason := backends.problem(backend):
        pytest.skip(f"{backend}: {reason}")
    with Charts(2, limits=SMALL, backend=backend, nested=not shared) as pool:
        yield pool


@pytest.fixture
def run(charts: Charts) -> Run:
    """Run an indented script."""
    return lambda code, **options: charts.run(textwrap.dedent(code), **options)


@pytest.fixture(scope="session")
def best(environment: ChartEnvironment) -> Iterator[Charts]:
    """Two zygotes in the best back end, for what does not depend on it."""
    with Charts(2) as pool:
        yield pool
