"""Everything a chart script may do has a status, and the next script runs as if it had not happened."""

from __future__ import annotations

import pytest

DRAW = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title('t')\n"

WINDOW = "import matplotlib\nmatplotlib.use('TkAgg')\n"

# what happens: (script, status, part of the reason)
ENDINGS = {
    "a figure": (DRAW, "ok", ""),
    "shown": (DRAW + "plt.show()\nplt.show(block=True)", "ok", ""),
    "saved to a relative path": (DRAW + "plt.savefig('a.png')\nopen('a.png', 'rb')", "ok", ""),
    "saved into a folder that is not there": (DRAW + "plt.savefig('out/a.png')", "error", "FileNotFoundError"),
    "saved outside": (DRAW + "plt.savefig('/usr/a.png')", "error", "Error: [Errno"),
    "closed": (DRAW + "plt.savefig('a.png')\nplt.close()", "ok", ""),
    "all closed": (DRAW + "plt.close('all')", "ok", ""),
    "three figures": ("import matplotlib.pyplot as plt\nfor i in range(3): plt.figure()", "ok", ""),
    "a window asked for": (WINDOW + DRAW + "plt.switch_backend('QtAgg')", "ok", ""),
    "another backend": ("import matplotlib\nmatplotlib.use('pdf')\n" + DRAW, "ok", ""),
    "an unknown backend": ("import matplotlib\nmatplotlib.use('crayon')\n" + DRAW, "error", "ValueError: 'crayon'"),
    "no figure": ("x = 1", "no_figure", ""),
    "nothing at all": ("", "no_figure", ""),
    "guarded main": ("if __name__ == '__main__':\n    " + DRAW.replace("\n", "\n    "), "ok", ""),
    "a missing file": ("open('data.csv')", "error", "FileNotFoundError"),
    "a missing module": ("import sklearn", "error", "ModuleNotFoundError: No module named 'sklearn'"),
    "an exception": (DRAW + "raise ValueError('bad\\nluck')", "error", "ValueError: bad luck"),
    "an exception without words": (DRAW + "assert False", "error", "AssertionError"),
    "an exception that cannot be told": ("class E(Exception):\n  def __str__(self): 1/0\nraise E", "error", "E"),
    "an interrupt": ("raise KeyboardInterrupt", "error", "KeyboardInterrupt"),
    "a syntax error": (DRAW + "x = (", "error", "SyntaxError: '(' was never closed"),
    "a null byte": ("x = '\0'", "error", "null bytes"),
    "half a letter": ("x = '\ud800'\n" + DRAW, "error", "UnicodeEncodeError"),
    "endless recursion": ("def f(): f()\nf()", "error", "RecursionError"),
    "deep nesting": ("(" * 50_000, "error", "SyntaxError"),
    "a question": ("input()", "error", "EOFError"),
    "a formula that is none": (DRAW + "plt.title(r'$\\frac{$')", "error", "the figure cannot be drawn: ValueError"),
    "a picture too large": (DRAW + "plt.figure(figsize=(900, 900))", "error", "90000 × 90000"),
    "exit": (DRAW + "exit()", "exit", "SystemExit"),
    "sys.exit": (DRAW + "import sys; sys.exit('done')", "exit", "SystemExit: done"),
    "os._exit": (DRAW + "import os; os._exit(0)", "died", "exit code 0"),
    "a crash": ("import ctypes; ctypes.string_at(0)", "died", "SIGSEGV"),
    "too much memory at once": ("bytearray(10**12)", "memory", "MemoryError"),
    "endless printing": ("while True: print('x' * 1000)", "output_limit", "more than 1 MiB"),
    "endless printing to stderr": ("import sys\nwhile True: sys.stderr.write('x' * 1000)", "output_limit", "stderr"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "status", "reason"), ENDINGS.values(), ids=ENDINGS)
def test_an_ending_has_its_status(run, code, status, reason):
    chart = run(code)
    assert (chart.status, reason in chart.reason) == (status, True), chart
    assert "\n" not in chart.reason
    assert chart.ok == (status == "ok")
    assert run(DRAW).ok


@pytest.mark.parametrize("ending", ["a figure", "closed", "an exception", "exit", "sys.exit"])
def test_what_was_drawn_is_there(run, ending):
    chart = run(ENDINGS[ending][0])
    assert chart.png.startswith(b"\x89PNG")
    assert chart.artists.text == ("t",)
    assert chart.artists.types == {"plot": 1}


def test_the_line_that_raised(run):
    assert run("x = 1\ndef f():\n    return 1 / 0\n\nf()").line == 3
    assert run("x = 1\ny = (").line == 2
    assert run("import json\njson.loads('{')").line == 2


def test_stdout_and_stderr_are_reported(run):
    chart = run("import sys\nprint('out')\nprint('err', file=sys.stderr)\nraise ValueError('bad')")
    assert chart.stdout == "out\n"
    assert chart.stderr.startswith("err\nTraceback")
    assert "chart_probe" not in chart.stderr
    assert chart.stderr.endswith("ValueError: bad\n")


def test_what_a_run_costs_is_reported(run):
    chart = run("x = bytearray(10**8)\nimport time\nb = time.process_time()\nwhile time.process_time() < b + 0.3: pass")
    assert 0.3 < chart.cpu_s < 2
    assert chart.wall_s > 0.3
    assert 100e6 < chart.rss_peak < 500e6
    assert len(chart.environment) == 64
    assert chart.isolation in ("bwrap", "bwrap, domain", "landlock")


def test_resolution_and_cropping(run):
    plain, fine = run(DRAW), run(DRAW, dpi=200)
    cropped = run(DRAW + "plt.axis('off')", tight=True)
    sizes = [tuple(int.from_bytes(chart.png[i : i + 4], "big") for i in (16, 20)) for chart in (plain, fine, cropped)]
    assert sizes[:2] == [(640, 480), (1280, 960)]
    assert sizes[2] < sizes[0]


def test_threads_that_are_not_daemons_are_waited_for(run):
    code = """
        import threading, time
        import matplotlib.pyplot as plt
        def draw():
            time.sleep(0.2)
            plt.title("late")
        plt.plot([1])
        threading.Thread(target=draw).start()
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    """
    assert run(code).artists.text == ("late",)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("while True: pass", "timeout"),
        ("import signal\nsignal.pthread_sigmask(0, range(1, 65))\nwhile True: pass", "timeout"),
        ("x = []\nwhile True: x.append(bytearray(10**7))", "memory"),
        (
            "import os\nfor _ in range(8):\n  if os.fork() == 0: break\nx = b'y' * 1_500_000_00\nwhile True: pass",
            "memory",
        ),
    ],
    ids=["spinning", "spinning with signals blocked", "one process growing", "many processes growing"],
)
def test_a_limit_ends_a_script(run, code, status):
    chart = run(code)
    assert chart.status == status, chart
    assert chart.png == b""
    assert run(DRAW).ok


def test_waiting_is_ended_by_the_clock(environment):
    from dataclasses import replace

    from viscodex.sandbox.chart import LIMITS, Charts

    with Charts(limits=replace(LIMITS, wall_s=1.0)) as charts:
        chart = charts.run("import time; time.sleep(1000)")
        assert chart.status == "timeout"
        assert chart.cpu_s < 1
