"""Zygotes die, processes fork, threads end: what happens then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from viscodex.core.errors import VisCodexError
from viscodex.sandbox.chart import Charts

DRAW = "import matplotlib.pyplot as plt\nplt.title('t')"
SLEEP = "import time; time.sleep(1000)"


@pytest.fixture
def own(backend, environment):
    """A pool with one zygote that a test may break."""
    with Charts(backend=backend) as charts:
        yield charts


def zygotes(harness: int = 0) -> dict[int, int]:
    """Processes of zygotes below a process (this one by default): pid → parent."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    below = {harness or os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in below and pid not in below}:
        below |= more
    return {pid: parents[pid] for pid in below if b"chart_zygote" in _command(pid)}


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def the_zygote(others: set[int]) -> int:
    """Of the processes that are not `others`, the one that the script was forked from."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        mine = {pid: parent for pid, parent in zygotes().items() if pid not in others}
        leaves = set(mine) - set(mine.values())
        if len(leaves) == 1 and (parent := mine[leaves.pop()]) in mine:
            return parent
        time.sleep(0.05)
    raise AssertionError("no zygote with a script")


def test_a_zygote_that_dies_is_replaced_and_the_script_it_died_with_is_reported(own):
    own.run(DRAW)
    others = set(zygotes()) - {pid for pid in zygotes() if pid in _family(own)}
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(own.run, SLEEP)
        os.kill(the_zygote(others), signal.SIGKILL)
        chart = running.result()
    assert chart.status == "unavailable"
    assert "the zygote died with this script" in chart.reason
    assert own.run(DRAW).artists.text == ("t",)


def _family(charts: Charts) -> set[int]:
    return set(zygotes(charts._all[0]._boxed.launcher))


def test_a_zygote_that_dies_between_scripts_costs_no_script(own):
    assert own.run(DRAW).ok
    os.kill(max(_family(own)), signal.SIGKILL)
    own._all[0]._boxed.ended(10)
    assert own.run(DRAW).ok


def test_a_zygote_lives_on_when_the_thread_that_needed_it_first_has_ended(own):
    first: list[object] = []
    thread = threading.Thread(target=lambda: first.append(own.run("import os; print(os.getpid())")))
    thread.start()
    thread.join()
    family = _family(own)
    time.sleep(0.2)
    assert own.run(DRAW).ok
    assert _family(own) == family


def test_scripts_run_at_the_same_time(best):
    with ThreadPoolExecutor(4) as threads:
        charts = list(threads.map(best.run, [f"import matplotlib.pyplot as plt\nplt.title('{i}')" for i in range(12)]))
    assert [chart.artists.text for chart in charts] == [(str(i),) for i in range(12)]


def test_closing_ends_every_process(backend, environment):
    before = set(zygotes())
    with Charts(2, backend=backend) as charts:
        assert all(chart.ok for chart in ThreadPoolExecutor(2).map(charts.run, [DRAW] * 2))
        assert set(zygotes()) > before
    assert set(zygotes()) <= before


def harness(code: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(code)]
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | paths)


def assert_buried(family: set[int]) -> None:
    """None of these zygotes is left, given a moment."""
    assert family
    deadline = time.monotonic() + 10
    while left := {pid for pid in family if b"chart_zygote" in _command(pid)}:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_run_chart_keeps_a_zygote_and_leaves_none(environment):
    with harness("""
        from viscodex.sandbox.chart import run_chart
        for _ in range(2):
            print(run_chart("import matplotlib.pyplot as plt; plt.plot([1])").status, flush=True)
        input()
    """) as process:
        assert [process.stdout.readline() for _ in range(2)] == ["ok\n", "ok\n"]
        family = set(zygotes(process.pid))
        process.communicate("end\n", timeout=60)
    assert process.returncode == 0
    assert_buried(family)


def test_nothing_survives_a_killed_harness(environment):
    with harness("""
        from viscodex.sandbox.chart import run_chart
        run_chart("x = 1")
        print("ready", flush=True)
        run_chart("import time; time.sleep(1000)")
    """) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        family = set(zygotes(process.pid))
        process.kill()
        process.wait()
    assert_buried(family)


def test_a_fork_of_the_harness_does_not_end_its_parents_zygotes(environment):
    with harness("""
        import os, sys
        from viscodex.sandbox.chart import run_chart
        print(run_chart("import matplotlib.pyplot as plt; plt.plot([1])").status, flush=True)
        if os.fork() == 0:
            sys.exit()
        os.wait()
        print(run_chart("import matplotlib.pyplot as plt; plt.plot([1])").status)
    """) as process:
        assert process.communicate(timeout=120)[0] == "ok\nok\n"


def test_an_interrupted_run_leaves_no_answer_for_the_next(own):
    """Ctrl-C while a script runs: its zygote is ended, so that its answer cannot be taken for another's."""
    own.run(DRAW)
    threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        own.run("import time; time.sleep(2)\nimport matplotlib.pyplot as plt; plt.title('old')")
    time.sleep(2)
    assert own.run(DRAW).artists.text == ("t",)


def test_a_script_that_is_too_long_is_not_sent(best):
    assert best.run("#" * (5 << 20)).status == "error"
    assert best.run("#" * (3 << 20) + "\n" + DRAW).ok


def test_running_without_isolation_must_be_asked_for(environment):
    with pytest.raises(VisCodexError, match="must be asked for"):
        Charts(backend="none")
    with Charts(unsafe_local=True) as charts:
        chart = charts.run(DRAW + "\nimport os\nif os.fork() == 0:\n  import time; time.sleep(1000)")
        assert (chart.status, chart.isolation) == ("ok", "none")
        assert len(_family(charts)) == 1
