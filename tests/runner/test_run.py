"""Stages over a journal: reruns do what is missing, kills lose nothing, the outcome does not depend on the workers."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time

import pytest
from tests.runner import rows

from viscodex.core.errors import VisCodexError
from viscodex.runner.journal import Journal
from viscodex.runner.run import kept, settle, settle_async
from viscodex.runner.stage import Keep, Reject
from viscodex.runner.workers import Pool, WorkerLimits


def named(count):
    return [(f"{n:03d}", n) for n in range(count)]


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


@pytest.mark.parametrize("processes", [1, 2])
def test_a_rerun_does_only_what_is_missing(tmp_path, journal, processes):
    log = tmp_path / "log"
    with Pool(rows.Record(log, 0.0), processes=processes) as pool:
        first = settle("double", named(20), pool, journal)
        second = settle("double", named(30), pool, journal)
    assert sorted(map(int, log.read_text().split())) == list(range(30))
    assert (first.seen, first.kept, first.rejected) == (20, 10, {"odd": 10})
    assert (second.seen, second.kept, second.rejected) == (30, 15, {"odd": 15})
    assert list(kept("double", journal)) == [(f"{n:03d}", {"double": 2 * n}) for n in range(0, 30, 2)]


def test_a_poison_row_fails_after_its_tries_and_is_left_alone(tmp_path, journal):
    limits = WorkerLimits(tries=2)
    for expected in (2, 2):
        with Pool(rows.Record(tmp_path / "log", 0.0, poison=7), processes=2, limits=limits) as pool:
            tally = settle("s", named(10), pool, journal)
        assert tally.failed == {"died": 2}  # 0 and 7
        assert (tally.seen, tally.kept, tally.rejected.total()) == (10, 4, 4)
        assert [entry.tries for entry in journal.entries("s", "failed")] == [expected] * 2


def test_two_rows_with_one_id_are_refused(tmp_path, journal):
    with Pool(rows.double, processes=1) as pool, pytest.raises(VisCodexError, match='two rows have the id "a"'):
        settle("s", [("a", 1), ("a", 2)], pool, journal)


def test_a_row_that_cannot_be_packed_has_failed(journal):
    with Pool(rows.obey, processes=1) as pool:
        tally = settle("s", [("a", b"bytes are not JSON"), ("b", "text")], pool, journal)
    assert (tally.kept, tally.failed) == (1, {"TypeError": 1})


class SpentError(Exception):
    pass


def test_coroutines_are_tried_noted_and_skipped_alike(journal):
    calls = []

    async def work(row):
        calls.append(row)
        await asyncio.sleep(0)
        if row == 3:
            raise ValueError("three")
        return Keep(row) if row % 2 == 0 else Reject("odd")

    for _ in range(2):
        tally = asyncio.run(settle_async("s", named(6), work, journal, in_flight=2, tries=2))
        assert (tally.seen, tally.kept, tally.rejected, tally.failed) == (6, 3, {"odd": 2}, {"ValueError": 1})
    assert sorted(calls) == [0, 1, 2, 3, 3, 4, 5]


def test_a_budget_ends_the_stage_and_settles_no_row(journal):
    async def work(row):
        if row == 2:
            raise SpentError
        return Keep(row)

    with pytest.raises(SpentError):
        asyncio.run(settle_async("s", named(6), work, journal, in_flight=1, stop=(SpentError,)))
    assert journal.counts("s") == {"kept": 2}


RUN = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from tests.runner import rows
from viscodex.runner.journal import Journal
from viscodex.runner.run import settle
from viscodex.runner.workers import Pool
folder = Path(sys.argv[1])
with Journal(folder / "journal.sqlite") as journal, Pool(rows.Record(folder / "log", 0.02), processes=2) as pool:
    print("begun", flush=True)
    settle("s", [(f"{{n:03d}}", n) for n in range(60)], pool, journal)
"""


def test_killed_again_and_again_the_outcome_is_the_same(tmp_path, repository):
    code = RUN.format(path=[str(repository), str(repository / "src")])
    chance, kills, status = random.Random(5), 0, None
    while status != 0:
        run = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], cwd=repository, env=dict(os.environ), stdout=subprocess.PIPE
        )
        run.stdout.readline()
        if kills < 4:
            time.sleep(chance.uniform(0.1, 0.5))
            run.kill()
            kills += 1
        status = run.wait(60)
        run.stdout.close()
    done = sorted(map(int, (tmp_path / "log").read_text().split()))
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert list(kept("s", journal)) == [(f"{n:03d}", {"double": 2 * n}) for n in range(0, 60, 2)]
        assert journal.counts("s") == {"kept": 30, "rejected": 30}
    assert set(done) == set(range(60))
    assert len(done) - 60 <= kills * 2  # done twice: at most what was in flight when a kill came
