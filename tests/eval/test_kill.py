"""kill -9 at random moments of generate and score, then the same command: the same report, nothing done twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest


def command(out, store):
    words = ["eval", "mmcode", "--generator", "oracle", "--out", str(out), "--store", str(store), "--workers", "2"]
    return [sys.executable, "-m", "viscodex", "--quiet", *words]


def report(out):
    return json.loads((out / "mmcode" / "report.json").read_text())


def alive(group):
    """Processes of a killed run that are still there."""
    return subprocess.run(["pgrep", "-s", str(group)], capture_output=True, text=True, check=False).stdout.split()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_evaluation_goes_on_where_it_was(tmp_path, seed):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    began = time.monotonic()
    subprocess.run(command(undisturbed, tmp_path / "a"), check=True, capture_output=True)
    whole = time.monotonic() - began
    moments = random.Random(seed)
    for _ in range(3):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command(killed, tmp_path / "b"), start_new_session=True, **quiet)
        time.sleep(moments.uniform(0.1, 0.9) * whole)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 10
        while alive(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not alive(process.pid)
    subprocess.run(command(killed, tmp_path / "b"), check=True, capture_output=True)
    assert report(killed) == report(undisturbed)
    for name in ("predictions.jsonl", "scores.jsonl"):
        rows = [json.loads(line) for line in (killed / "mmcode" / name).read_text().splitlines()]
        assert len(rows) == len({row["sample_id"] for row in rows}), f"{name}: something was done twice"
