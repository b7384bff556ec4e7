"""The merge benchmark from end to end on tiny shapes. Times are never asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "merge.py"
METHODS = ("task_arithmetic", "ties", "dare_ties")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("bench")
    argv = [sys.executable, BENCHMARK, "--quick", "--work", folder]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not any(folder.glob("out*")), "outputs are removed"
    return json.loads((folder / "merge.json").read_bytes())


@pytest.mark.slow
def test_every_row_is_there(result: dict[str, Any]) -> None:
    found = {(row["size"], row["what"]) for row in result["rows"]}
    expected = {("quick", f"{method}{ending}") for method in METHODS for ending in ENDINGS}
    expected |= {("quick", f"task_arithmetic, {threads}") for threads in ("1 thread", "2 threads")}
    expected |= {("quick", f"four λ, {how}") for how in ("one command", "four commands")}
    expected |= {("quick", f"lerp by torch, {how}{end}") for how in FLOORS for end in ENDINGS[:2]}
    expected |= {("quick-vl", "task_arithmetic"), ("quick-vl", "task_arithmetic, without start-up")}
    expected |= {(size, what) for size in ("quick", "quick-vl") for what in ("start-up", "copy + fdatasync")}
    expected |= {("quick", "--help")}
    files = 3 * len(result["kill"]["sha256"])
    expected |= {("quick-vl", f"killed 3 times and run again: {files} of {files} files identical")}
    assert found == expected
    assert {"title", "machine", "rows", "notes"} <= result.keys()


ENDINGS = ("", ", without start-up", " without kernel")
FLOORS = ("16 Mi chunks", "blocks in cache")


@pytest.mark.slow
def test_a_killed_merge_gives_the_same_files(result: dict[str, Any]) -> None:
    kill = result["kill"]
    assert kill["identical"]
    assert len(kill["rounds"]) == 3
    assert {"model.safetensors.index.json", "merge.json", "README.md"} <= kill["sha256"].keys()


@pytest.mark.slow
def test_every_value_is_kept_beside_the_medians(result: dict[str, Any]) -> None:
    for job in result["runs"]:
        for value in job["values"]:
            assert value["wall"] > 0
            assert value["cpu"] == pytest.approx(value["user"] + value["sys"], abs=0.002)
            assert value["peak_rss"] > 0
