"""One script for each way in which a run is no chart, with the real zygote."""

from __future__ import annotations

import time

import pytest
from tests.data.chart.conftest import script

from viscodex.data.chart.execution import ATTEMPT, Run, failure
from viscodex.data.chart.settings import Settings
from viscodex.runner.stage import Keep, Reject

GOOD = """import matplotlib.pyplot as plt
import numpy as np

x = np.arange(5)
y = [3, 1, 4, 1, 5]
fig, ax = plt.subplots(figsize=(5, 3.5))
ax.plot(x, y, label="a")
ax.set_title("Title")
ax.legend()
plt.show()
"""

SILENT = "import warnings\nwarnings.simplefilter('ignore')\n"
BAD = {
    "raises": ("script_error", GOOD + "1 / 0\n"),
    "exits": ("script_error", GOOD.replace("plt.show()", "raise SystemExit(3)")),
    "no figure": ("no_figure", GOOD.replace("plt.show()", "plt.close(fig)")),
    "two figures": ("several_figures", GOOD + "plt.figure()\nplt.plot([1])\n"),
    "an empty figure": ("blank", GOOD + "ax.remove()\n"),
    "letters that are not there": ("missing_glyphs", GOOD.replace("Title", "标题")),
    "the same, silenced": ("missing_glyphs", SILENT + GOOD.replace("Title", "标题")),
    "another picture each time": (
        "not_deterministic",
        "import random\n" + GOOD.replace('"Title"', "str(random.SystemRandom().random())"),
    ),
    "an empty frame": ("empty_axes", GOOD + "fig.add_axes((0.2, 0.6, 0.2, 0.2))\n"),
    "text on text": ("overlapping_text", GOOD + "ax.text(1, 3, 'first words')\nax.text(1, 3, 'other words')\n"),
    "text cut off": ("clipped_text", GOOD + "ax.text(3.9, 3, 'words that run out of the picture altogether')\n"),
    "ticks in each other": ("unreadable_ticks", GOOD + "ax.set_xticks(x, [f'category number {i}' for i in x])\n"),
    "tiny ticks": ("unreadable_ticks", GOOD + "ax.tick_params(labelsize=2)\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_script_earns_its_reason(drawn, name):
    reason, code = BAD[name]
    verdict = drawn(code)
    assert isinstance(verdict, Reject), name
    assert verdict.reason == reason, verdict


def test_a_good_script_becomes_a_pair(drawn):
    verdict = drawn(GOOD)
    assert isinstance(verdict, Keep), verdict
    sample = verdict.row
    picture, instruction = sample.prompt
    assert picture.load().size == (500, 350)
    assert "{" not in instruction and len(instruction) > 15
    assert sample.response == GOOD
    assert ATTEMPT not in sample.checks
    assert sample.checks["render_ok"] is True and sample.checks["chart_types"] == "plot"
    assert len(sample.checks["hashes"]["image_phash"]) == 16
    again = drawn(GOOD).row
    assert again.prompt == sample.prompt
    assert {**again.checks, "exec_s": 0} == {**sample.checks, "exec_s": 0}


def test_legibility_can_be_left_out(drawn):
    assert isinstance(drawn(BAD["text on text"][1], legibility=False), Keep)


def test_slanted_ticks_and_twins_are_legible(drawn):
    slanted = "ax.set_xticks(x, [f'number {i}' for i in x], rotation=45, ha='right')\nfig.tight_layout()\n"
    assert isinstance(drawn(GOOD + slanted), Keep)
    assert isinstance(drawn(GOOD + "twin = ax.twinx()\ntwin.set_ylabel('other')\nfig.tight_layout()\n"), Keep)


def test_a_run_is_not_repeated_unless_the_script_changes(charts):
    run = Run(Settings())
    first = run(charts, script(GOOD)).row
    assert run(charts, first).row is first
    changed = first.model_copy(update={"response": GOOD + "1 / 0\n"})
    assert run(charts, changed).row.checks[ATTEMPT]["reason"] == "script_error"


def test_a_mended_script_that_breaks_a_rule_is_not_run(charts):
    attempt = Run(Settings())(charts, script(GOOD + "import os\n")).row.checks[ATTEMPT]
    assert attempt["reason"] == "file_use" and "imports os" in attempt["error"]


FORKS = "\nimport builtins\nfork = getattr(getattr(builtins, '__imp' + 'ort__')('o' + 's'), 'fo' + 'rk')\n"
ATTACKS = {
    "processes without end": (FORKS + "while True:\n    fork()\n", {"script_error", "timeout", "memory"}),
    "a script without end": ("\nwhile True:\n    pass\n", {"timeout"}),
    "memory without end": ("\nx = [0]\nwhile True:\n    x += x\n", {"memory", "script_error"}),
    "output without end": ("\nwhile True:\n    print('x' * 10**6)\n", {"output_limit", "timeout"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_one_reject_and_the_next_chart_is_drawn(charts, drawn, name):
    """The static rules are left out: what gets past them meets the sandbox."""
    code, reasons = ATTACKS[name]
    began = time.monotonic()
    chart = charts.run(GOOD + code)
    verdict = failure(chart)
    assert verdict is not None and verdict.reason in reasons, verdict
    assert time.monotonic() - began < 120
    assert isinstance(drawn(GOOD), Keep)
