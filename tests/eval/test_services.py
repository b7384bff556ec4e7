"""Answers and judgements over HTTP: faults of a service are never scored, and nothing that came is asked for again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.endpoint import Endpoint, Says, Status

MARKS = '{"reasons": "half of it", "correctness": 30, "completeness": 20}'


def evaluate(out, *words, name="mmcode", check=True):
    command = [sys.executable, "-m", "viscodex", "--quiet", "eval", *words, "--out", str(out)]
    environment = {**os.environ, "VISCODEX_CACHE": str(out.parent / "cache"), "OPENAI_API_KEY": "sk-secret-of-the-test"}
    return subprocess.run(command, check=check, capture_output=True, text=True, env=environment)


def report(out, name="mmcode"):
    return json.loads((out / name / "report.json").read_text())


@pytest.mark.slow
def test_a_service_with_bad_days_answers_in_the_end_and_its_key_is_nowhere(tmp_path):
    out = tmp_path / "run"
    with Endpoint(lambda call: Says("```python\nprint(1)\n```", delay=0.01)) as endpoint:
        endpoint.then(Status(429, {"retry-after": "0.1"}), Status(500), Status(503))
        evaluate(out, "mmcode", "--endpoint", endpoint.url, "--model", "m", "--no-judge")
        asked = sum(endpoint.counts.values())
        evaluate(out, "mmcode", "--endpoint", endpoint.url, "--model", "m", "--no-judge")
        assert sum(endpoint.counts.values()) == asked == 12 + 3
    counts = report(out)["protocols"]["fixed"]["counts"]
    assert counts["unscored"] == 0 and sum(counts.values()) == 12
    for path in [p for p in tmp_path.rglob("*") if p.is_file()]:
        assert b"sk-secret-of-the-test" not in path.read_bytes(), path


@pytest.mark.slow
def test_a_service_that_refuses_gives_no_score_and_is_asked_again(tmp_path):
    out = tmp_path / "run"
    with Endpoint(lambda call: Status(401)) as endpoint:
        evaluate(out, "mmcode", "--endpoint", endpoint.url, "--model", "m", "--limit", "3")
    fixed = report(out)["protocols"]["fixed"]
    assert fixed["counts"] == {"scored": 0, "failed": 0, "unscored": 3}
    assert fixed["unscored"] == {"generation_error": 3} and fixed["columns"]["pass@1"] is None


@pytest.mark.slow
def test_killed_while_it_asks_it_asks_only_for_what_did_not_come(tmp_path):
    out, kills, in_flight = tmp_path / "run", 3, 2
    environment = {**os.environ, "VISCODEX_CACHE": str(tmp_path / "cache")}
    with Endpoint(lambda call: Says("print(1)", delay=0.2)) as endpoint:
        words = ["generate", "mmcode", "--endpoint", endpoint.url, "--model", "m", "--set", f"in_flight={in_flight}"]
        command = [sys.executable, "-m", "viscodex", "--quiet", "eval", *words, "--out", str(out)]
        for moment in random.Random(3).sample([1.0, 1.3, 1.6, 1.9, 2.2], kills):
            process = subprocess.Popen(command, env=environment, start_new_session=True)
            time.sleep(moment)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        evaluate(out, *words)
        again = sum(count - 1 for count in endpoint.counts.values())
    rows = [json.loads(line) for line in (out / "mmcode" / "predictions.jsonl").read_text().splitlines()]
    assert sorted(row["sample_id"] for row in rows) == sorted({row["sample_id"] for row in rows})
    assert len(rows) == 12
    assert again <= kills * in_flight  # those that were under way, whose replies nobody has


@pytest.mark.slow
def test_a_judge_scores_what_waits_for_it_once(tmp_path):
    out = tmp_path / "run"
    with Endpoint(lambda call: Says(MARKS)) as judge:
        words = ("infibench", "--generator", "oracle", "--limit", "12", "--judge", judge.url, "--judge-model", "j")
        evaluate(out, *words)
        asked = sum(judge.counts.values())
        evaluate(out, *words)
        assert sum(judge.counts.values()) == asked > 0
    fixed = report(out, "infibench")["protocols"]["fixed"]
    assert fixed["metrics"]["judge"]["mean"] == pytest.approx(0.5)
    assert fixed["metrics"]["judge"]["n"] == asked
    assert fixed["columns"]["infibench-v"]["n"] == sum(fixed["counts"].values())
    assert fixed["columns"]["infibench-v"]["mean"] < 1.0


@pytest.mark.slow
def test_a_judge_that_is_asked_in_another_way_is_asked_again(tmp_path):
    """Without temperature and seed, which some services refuse; and what was judged so is not judged twice."""
    out = tmp_path / "run"
    with Endpoint(lambda call: Says(MARKS)) as judge:
        words = ("infibench", "--generator", "oracle", "--limit", "6", "--judge", judge.url, "--judge-model", "j")
        evaluate(out, *words)
        first = len(judge.calls)
        for _ in range(2):
            evaluate(out, *words, "--set", "judge.sampling=false", "--set", "judge.structured=false")
    assert len(judge.calls) == 2 * first > 0
    assert all({"temperature", "seed", "response_format"} <= call.body.keys() for call in judge.calls[:first])
    assert not any({"temperature", "seed", "response_format"} & call.body.keys() for call in judge.calls[first:])


@pytest.mark.slow
def test_a_judge_that_talks_nonsense_gives_no_number_and_never_a_zero(tmp_path):
    out = tmp_path / "run"
    with Endpoint(lambda call: Says("I would rather not.")) as judge:
        words = ("infibench", "--generator", "oracle", "--limit", "12", "--judge", judge.url, "--judge-model", "j")
        evaluate(out, *words)
    fixed = report(out, "infibench")["protocols"]["fixed"]
    assert fixed["metrics"]["judge"] is None
    assert fixed["columns"]["infibench-v"]["mean"] == 1.0  # of those without a judged part
    assert 0 < fixed["columns"]["infibench-v"]["n"] < sum(fixed["counts"].values())


def test_judged_metrics_want_a_judge_or_the_word_that_there_is_none(tmp_path):
    done = evaluate(tmp_path / "run", "infibench", "--generator", "oracle", check=False)
    assert done.returncode == 2
    assert "--no-judge" in done.stderr
