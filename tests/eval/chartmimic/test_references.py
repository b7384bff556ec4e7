"""References run once, whoever asks, and a damaged file is no reason to fail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from viscodex.eval.chartmimic import references
from viscodex.eval.chartmimic.references import References

DRAW = "import matplotlib.pyplot as plt\nplt.title('\\ud83d t')\nplt.bar([1], [1])"


class Counting:
    """A pool of zygotes that counts."""

    def __init__(self, charts):
        self.charts, self.environment, self.runs = charts, charts.environment, 0

    def run(self, code, **options):
        self.runs += 1
        return self.charts.run(code, **options)


@pytest.fixture
def charts(scorer):
    return Counting(scorer._charts)


def test_the_second_time_is_read_from_the_disk(charts, tmp_path):
    first = References(charts, tmp_path).run(DRAW, dpi=50)
    second = References(charts, tmp_path).run(DRAW, dpi=50)
    assert charts.runs == 1
    assert (first.png, first.artists, first.status, first.environment) == (
        second.png,
        second.artists,
        second.status,
        second.environment,
    )


def test_another_script_way_environment_or_program_is_another_chart(charts, tmp_path, monkeypatch):
    kept = References(charts, tmp_path)
    kept.run(DRAW)
    kept.run(DRAW + "\n")
    kept.run(DRAW, dpi=40)
    kept.run(DRAW, nameless="types")
    monkeypatch.setattr(references, "program_hash", lambda: "another")
    kept.run(DRAW)
    assert charts.runs == 5
    kept.run(DRAW)
    assert charts.runs == 5


@pytest.mark.parametrize("damage", [b"", b"{}", b"\0" * 100, None])
def test_a_damaged_file_is_written_anew(charts, tmp_path, damage):
    References(charts, tmp_path).run(DRAW)
    (file,) = tmp_path.rglob("*.chart")
    file.write_bytes(file.read_bytes()[:-20] if damage is None else damage)
    assert References(charts, tmp_path).run(DRAW).ok
    assert charts.runs == 2
    assert References(charts, tmp_path).run(DRAW).ok
    assert charts.runs == 2


def test_what_may_be_the_machines_fault_is_not_kept(charts, tmp_path):
    for _ in range(2):
        assert References(charts, tmp_path).run("import os; os._exit(1)").status == "died"
    assert charts.runs == 2
    assert not list(tmp_path.rglob("*.chart"))


def test_many_may_write_the_same_at_once(charts, tmp_path):
    with ThreadPoolExecutor(4) as threads:
        drawn = list(threads.map(lambda _: References(charts, tmp_path).run(DRAW), range(8)))
    assert len({chart.png for chart in drawn}) == 1
    assert len(list(tmp_path.rglob("*"))) == 2  # the folder and the file: nothing temporary is left


def test_a_folder_that_cannot_be_written_costs_time_only(charts, tmp_path):
    (tmp_path / "file").write_text("")
    kept = References(charts, tmp_path / "file" / "folder")
    assert kept.run(DRAW).ok
    assert kept.run(DRAW).ok
    assert charts.runs == 2
