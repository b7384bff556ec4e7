"""Real worker processes: what they survive, what they cost, and that they never outlive their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.runner import rows

from viscodex.core.errors import VisCodexError
from viscodex.runner.feed import Task
from viscodex.runner.stage import Fail, Keep, Reject
from viscodex.runner.workers import Pool, WorkerLimits

ONCE = WorkerLimits(tries=1)


def tasks(*found):
    return [Task(str(index), row) for index, row in enumerate(found)]


def verdicts(pool, *found, **options):
    return {int(task.id): result for task, result in pool.map(tasks(*found), **options)}


def test_every_row_gets_its_verdict():
    with Pool(rows.double, processes=2) as pool:
        found = verdicts(pool, *range(50))
        again = verdicts(pool, 4)
    assert found == {n: Reject("odd", f"{n} is odd") if n % 2 else Keep(2 * n) for n in range(50)}
    assert again == {0: Keep(8)}


def test_nothing_is_left_open(open_files):
    before = open_files()
    with Pool(rows.obey, processes=2, limits=WorkerLimits(rows=1, tries=1)) as pool:
        verdicts(pool, 1, ("kill",), 3)
    assert open_files() == before


def test_no_rows_start_no_process():
    with Pool(rows.double, processes=2) as pool:
        assert list(pool.map([])) == []
        assert not pool._workers


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        (("raise", "bad tag"), "ValueError", "bad tag (rows.py:"),
        (("kill",), "died", "signal SIGKILL"),
        (("segfault",), "died", "signal SIGSEGV"),
        (("_exit",), "died", "exit status 0"),
        (("exit",), "SystemExit", "3"),
        (("unpicklable",), "PicklingError", ""),
        (("nonsense",), "TypeError", "returns Keep or Reject, not str"),
        (lambda: None, "PicklingError", ""),
        (("holder",), "died", "signal SIGKILL"),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else "",
)
def test_what_goes_wrong_costs_one_row(row, reason, detail):
    with Pool(rows.obey, processes=2, limits=ONCE) as pool:
        found = verdicts(pool, "a", "b", row, "c", "d")
    fail = found.pop(2)
    assert isinstance(fail, Fail)
    assert reason in (fail.reason, "PicklingError") and fail.tries == 1
    assert detail in fail.detail
    assert found == {0: Keep("a"), 1: Keep("b"), 3: Keep("c"), 4: Keep("d")}


@pytest.mark.parametrize("row", [("spin",), ("deaf",)])
def test_a_row_that_hangs_is_given_up(row):
    with Pool(rows.obey, processes=1, limits=WorkerLimits(row_s=0.5, tries=1)) as pool:
        found = verdicts(pool, "a", row, "b")
    assert found == {0: Keep("a"), 1: Fail("hung", "no answer in 0.5 s"), 2: Keep("b")}


def test_memory_is_limited():
    with Pool(rows.obey, processes=1, limits=WorkerLimits(memory=200 << 20, tries=1)) as pool:
        found = verdicts(pool, ("eat", 400 << 20), ("eat", 1 << 20))
    assert found[0].reason == "MemoryError"
    assert found[1] == Keep(1 << 20)


def test_a_failed_row_is_tried_again_and_each_try_is_told(tmp_path):
    told = []
    with Pool(rows.obey, processes=1, limits=WorkerLimits(tries=3)) as pool:
        found = verdicts(
            pool,
            ("once", str(tmp_path / "mark")),
            ("raise", "always"),
            on_fail=lambda task, fail: told.append((task.id, fail.reason, fail.tries)),
        )
    assert found[0] == Keep("once")
    assert found[1].tries == 3
    assert sorted(told) == [("0", "died", 1), ("1", "ValueError", 1), ("1", "ValueError", 2), ("1", "ValueError", 3)]


def test_tries_of_earlier_runs_count():
    with Pool(rows.obey, processes=1, limits=WorkerLimits(tries=3)) as pool:
        ((_, fail),) = pool.map([Task("a", ("raise", "again"), tries=2)])
    assert fail.tries == 3


def test_ordered_results_come_in_order_whoever_is_first():
    naps = [(0.2 if n % 7 == 0 else 0.0, n) for n in range(40)]
    with Pool(rows.slowly, processes=2) as pool:
        found = [result.row for _, result in pool.map(tasks(*naps), ordered=True)]
    assert found == list(range(40))


def test_rows_are_drawn_as_they_are_needed():
    drawn = []

    def endless():
        for n in range(10**9):
            drawn.append(n)
            yield Task(str(n), n)

    with Pool(rows.double, processes=2) as pool:
        for ordered in (False, True):
            drawn.clear()
            results = pool.map(endless(), ordered=ordered)
            for _ in range(5):
                next(results)
            results.close()
            assert len(drawn) < 40


def test_a_resource_is_opened_once_a_process_and_closed(tmp_path):
    log = tmp_path / "log"
    with Pool(rows.use, open=rows.Open(log), processes=1) as pool:
        assert len(verdicts(pool, *range(5))) == 5
    said = [line.split()[0] for line in log.read_text().splitlines()]
    assert said == ["open", *(f"row-{n}" for n in range(5)), "close"]


def test_workers_are_replaced_after_so_many_rows(tmp_path):
    log = tmp_path / "log"
    with Pool(rows.use, open=rows.Open(log), processes=1, limits=WorkerLimits(rows=3)) as pool:
        assert len(verdicts(pool, *range(7))) == 7
    lines = [line.split() for line in log.read_text().splitlines()]
    rows_of = {}
    for verb, pid in lines:
        rows_of.setdefault(pid, []).append(verb)
    assert sorted(len(verbs) - 2 for verbs in rows_of.values()) == [1, 3, 3]
    assert all(verbs[0] == "open" and verbs[-1] == "close" for verbs in rows_of.values())


def test_a_start_is_tried_again(tmp_path):
    with Pool(rows.use, open=rows.OpenAtSecondTry(tmp_path / "log"), processes=1) as pool:
        assert verdicts(pool, 1) == {0: Keep(1)}


def test_workers_that_never_start_are_one_clear_error():
    problem = "do not start: RuntimeError: the browser is missing"
    with pytest.raises(VisCodexError, match=problem), Pool(rows.use, open=rows.no_resource, processes=2) as pool:
        verdicts(pool, 1, 2, 3)


def test_what_a_stage_prints_does_not_reach_stdout(capfd):
    with Pool(rows.obey, processes=1) as pool:
        verdicts(pool, ("print",))
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "from a stage\nfrom a library\n"


def test_large_rows_and_results_pass():
    with Pool(rows.obey, processes=1) as pool:
        found = verdicts(pool, b"y" * (20 << 20), ("huge", 30 << 20))
    assert len(found[0].row) == 20 << 20 and len(found[1].row) == 30 << 20


def test_a_pool_outlives_the_thread_that_first_used_it():
    """The kernel's death signal follows the thread that started a process, not its process."""
    with Pool(rows.pid, processes=1) as pool:
        found = []
        thread = threading.Thread(target=lambda: found.append(verdicts(pool, 0)))
        thread.start()
        thread.join()
        time.sleep(0.1)
        assert verdicts(pool, 0) == found[0]


def test_leaving_early_ends_the_workers_that_are_busy():
    with Pool(rows.obey, processes=2, limits=ONCE) as pool:
        results = pool.map(tasks("quick", ("sleep", 60)))
        next(results)
        started = time.monotonic()
        results.close()
        assert time.monotonic() - started < 30
        assert verdicts(pool, "next") == {0: Keep("next")}


def test_closing_ends_what_a_worker_has_started(gone: Callable[[int], bool]):
    with Pool(rows.obey, processes=1) as pool:
        child = verdicts(pool, ("child",))[0].row
    assert gone(child)


PARENT = """
import os
import sys
import time
sys.path[:0] = {path!r}
from tests.runner import rows
from viscodex.runner.feed import Task
from viscodex.runner.workers import Pool
with Pool(rows.obey, processes=2) as pool:
    for name, result in pool.map([Task("a", ("child",)), Task("b", ("child",))]):
        print(result.row, flush=True)
    if {held} and os.fork() == 0:
        time.sleep(20)
        os._exit(0)
    print(*(worker._process.pid for worker in pool._workers), flush=True)
    list(pool.map([Task("a", {row!r}), Task("b", {row!r})]))
"""


@pytest.mark.parametrize("row", [("sleep", 300), ("spin",), ("deaf",)])
def test_nothing_survives_a_killed_parent(repository: Path, gone, row):
    parent = start_parent(repository, row)
    pids = said_pids(parent)
    time.sleep(0.2)
    parent.kill()
    parent.wait()
    assert len(pids) >= 3
    assert all(gone(pid) for pid in pids)
    parent.stdout.close()


def test_nothing_survives_when_a_fork_of_the_parent_holds_its_files(repository: Path, gone):
    parent = start_parent(repository, ("sleep", 300), held=True)
    pids = said_pids(parent)
    fork = [pid for pid in children_of(parent.pid) if pid not in pids]
    time.sleep(0.2)
    parent.kill()
    parent.wait()
    assert all(gone(pid) for pid in pids)
    assert len(fork) == 1 and not gone(fork[0], 0.0)
    os.kill(fork[0], signal.SIGKILL)
    parent.stdout.close()


def children_of(pid):
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def test_ctrl_c_ends_the_pool_at_once(repository: Path, gone):
    parent = start_parent(repository, ("sleep", 300), stderr=subprocess.DEVNULL)
    pids = said_pids(parent)
    time.sleep(0.2)
    parent.send_signal(signal.SIGINT)
    assert parent.wait(20) in (130, -signal.SIGINT)
    assert all(gone(pid) for pid in pids)
    parent.stdout.close()


def start_parent(repository, row, held=False, **options):
    code = PARENT.format(path=[str(repository), str(repository / "src")], row=row, held=held)
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=repository, env=dict(os.environ), **options
    )


def said_pids(parent):
    return [int(pid) for line in (parent.stdout.readline() for _ in range(3)) for pid in line.split()]
