"""Scorers that wait for answers: a bad one costs only its own score, few processes are used, all are closed."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.eval.letters import LETTERS, SAMPLES
from tests.eval.odd_letters import BUSY, DIARY, ONE_SIDED
from viscodex.eval.on_demand import ScorersOnDemand
from viscodex.model.generate import Completion

SAMPLE = SAMPLES[0]


@pytest.fixture
def diary(tmp_path, monkeypatch):
    """What scorers have done so far, and in which processes: (what, pid, seconds)."""
    path = tmp_path / "diary"
    path.touch()
    monkeypatch.setenv("LETTERS_DIARY", str(path))

    def read():
        rows = [line.split() for line in path.read_text().splitlines()]
        return [(what, int(pid), float(seconds)) for what, pid, seconds in rows]

    return read


@pytest.fixture
def open_scorers():
    """`open_scorers(benchmark, workers)`; closed at the end of the test."""
    opened = []

    def open_them(benchmark, workers=1):
        opened.append(ScorersOnDemand(benchmark, workers))
        return opened[-1]

    yield open_them
    for scorers in opened:
        scorers.close_idle()


def ask(scorers, text, protocol="fixed", sample=SAMPLE):
    score, _ = scorers.score(sample, Completion(sample_id=sample.id, text=text), protocol)
    return score


def test_scores_are_the_scorers_own(open_scorers):
    scorers = open_scorers(LETTERS)
    assert [ask(scorers, text).values["letters"] for text in ("abcd", "abxx", "")] == [1.0, 0.5, 0.0]
    assert ask(scorers, "").status == "failed"
    score, environment = scorers.score(SAMPLE, Completion(sample_id="a", text="abcd", index=3), "paper")
    assert (score.protocol, score.index, environment) == ("paper", 3, {"alphabet": "latin"})


@pytest.mark.parametrize(("text", "reason"), [("raise", "RuntimeError"), ("die", "died")])
def test_an_answer_that_breaks_the_scorer_is_unscored_and_the_next_is_not(open_scorers, text, reason):
    scorers = open_scorers(LETTERS)
    broken = ask(scorers, text)
    assert (broken.status, broken.reason, broken.values) == ("unscored", reason, {})
    assert ask(scorers, "abcd").values["letters"] == 1.0


def test_a_protocol_that_the_scorer_leaves_out_is_unscored(open_scorers):
    scorers = open_scorers(ONE_SIDED)
    assert ask(scorers, "abcd").status == "scored"
    assert ask(scorers, "abcd", protocol="paper").reason == "no_score"


def test_a_scorer_that_cannot_open_is_tried_again(open_scorers, diary, tmp_path, monkeypatch):
    closed = tmp_path / "closed"
    closed.touch()
    monkeypatch.setenv("LETTERS_CLOSED", str(closed))
    scorers = open_scorers(DIARY)
    for _ in range(2):
        broken = ask(scorers, "abcd")
        assert (broken.status, broken.reason) == ("unscored", "no_scorer")
        assert "no alphabet here" in broken.detail
    closed.unlink()
    assert ask(scorers, "abcd").status == "scored"


def test_closing_ends_every_process_and_the_next_answer_opens_one(open_scorers, diary):
    scorers = open_scorers(DIARY, workers=3)
    assert not scorers.has_idle
    for _ in range(4):
        ask(scorers, "abcd")
    assert scorers.has_idle
    scorers.close_idle()
    assert not scorers.has_idle
    assert Counter(what for what, *_ in diary()) == {"open": 1, "close": 1}  # one after the other needs one process
    assert not any(Path("/proc", str(pid)).exists() for _, pid, _ in diary())
    assert ask(scorers, "abcd").status == "scored"


def test_more_threads_than_workers_wait(open_scorers, diary):
    scorers = open_scorers(BUSY, workers=2)
    with ThreadPoolExecutor(5) as threads:
        scores = list(threads.map(lambda _: ask(scorers, "abcd"), range(5)))
    assert all(score.status == "scored" for score in scores)
    at_once, most = 0, 0
    for what, *_ in sorted(diary(), key=lambda row: row[2]):
        at_once += (what == "begin") - (what == "end")
        most = max(most, at_once)
    assert most == 2
    assert len({pid for _, pid, _ in diary()}) == 2


@pytest.mark.parametrize("text", ["```", "```python\nx", "<think>", "x" * 1_000_000, "\0", "a\r\nb", "é" * 10])
def test_odd_answers_come_to_a_result(open_scorers, text):
    assert ask(open_scorers(LETTERS), text).status == "scored"
