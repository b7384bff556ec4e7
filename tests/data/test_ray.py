"""On a Ray cluster of this machine: the rows of the embedded run, also when a worker of the cluster is killed."""

from __future__ import annotations

import pytest

from tests.data.conftest import files_of, order_of
from viscodex.data.build import build

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray", reason="pip install 'viscodex[ray]'")


@pytest.fixture(scope="module", autouse=True)
def cluster(repository):
    path = f"{repository}:{repository / 'src'}"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": path}})
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


def test_the_rows_are_those_of_the_embedded_run(tmp_path, endpoint):
    build(order_of(endpoint.url, count=100, poison="chart-15838"), tmp_path / "here")
    build(order_of(endpoint.url, count=100, poison="chart-15838", ray="local"), tmp_path / "there")
    assert files_of(tmp_path / "there") == files_of(tmp_path / "here")


def test_a_worker_of_the_cluster_may_be_killed(tmp_path, endpoint):
    build(order_of(endpoint.url, count=100), tmp_path / "here")
    killed = tmp_path / "killed"
    build(order_of(endpoint.url, count=100, ray="local", kill=str(killed)), tmp_path / "there")
    assert killed.exists()
    assert files_of(tmp_path / "there") == files_of(tmp_path / "here")
