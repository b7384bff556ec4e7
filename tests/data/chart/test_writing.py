"""A model rewrites, mends and marks charts: every kind of answer, and scripts that are mended at the second try."""

from __future__ import annotations

import pytest
from tests.data.asking import ask
from tests.data.chart.conftest import script
from tests.data.chart.test_execution import GOOD
from tests.endpoint import Endpoint, Says

from viscodex.core.sample import Image
from viscodex.data.chart.execution import ATTEMPT, DrawChart, Run
from viscodex.data.chart.settings import Settings
from viscodex.data.chart.writing import Repair, Rewrite, aesthetics
from viscodex.runner.stage import Keep, Reject

BROKEN = GOOD.replace("ax.legend()", "ax.legend(1 / 0)")


def fenced(code):
    return f"Here:\n```python\n{code}\n```"


def test_a_script_is_rewritten_with_a_topic_of_its_own(tmp_path):
    with Endpoint(fenced(GOOD)) as endpoint:
        (verdict,) = ask(endpoint, Rewrite(Settings()), [script("plt.plot(open('x'))")], tmp_path)
        (call,) = endpoint.calls
    row = verdict.row
    assert row.response.strip() == GOOD.strip()
    assert row.checks["topic"] in call.text and "plt.plot(open('x'))" in call.text
    assert row.checks["generator"]["prompt_version"] == "chart-rewrite-1"
    assert call.body["temperature"] == 0.7


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Says(fenced(GOOD), finish="length"), "truncated"),
        (Says("I would use a bar chart here."), "no_code"),
        (Says("I'm sorry, but I can't help with that."), "no_code"),
    ],
)
def test_answers_without_a_script_are_rejected(tmp_path, answer, reason):
    with Endpoint(lambda call: answer) as endpoint:
        (verdict,) = ask(endpoint, Rewrite(Settings()), [script(GOOD)], tmp_path)
    assert isinstance(verdict, Reject) and verdict.reason == reason


def mended(charts, endpoint, code, folder, repairs=3):
    """What the stages from the first run on make of a script."""
    settings = Settings(repairs=repairs)
    sample = Run(settings)(charts, script(code)).row
    for number in range(1, repairs + 1):
        (verdict,) = ask(endpoint, Repair(settings, number), [sample], folder)
        sample = Run(settings)(charts, verdict.row).row
    return DrawChart(settings)(charts, sample)


def test_a_script_is_mended_at_the_second_try(charts, tmp_path):
    with Endpoint("?") as endpoint:
        endpoint.then(Says(fenced(GOOD.replace("ax.legend()", "ax.legend(oops)"))), Says(fenced(GOOD)))
        verdict = mended(charts, endpoint, BROKEN, tmp_path)
        assert isinstance(verdict, Keep), verdict
        assert verdict.row.checks["repairs"] == 2
        assert verdict.row.response.strip() == GOOD.strip()
        first, second = endpoint.calls  # the third repair had nothing to ask
    assert "ZeroDivisionError: division by zero (line 9)" in first.text and "attempt 1 of 3" in first.text
    assert "NameError: name 'oops' is not defined" in second.text and "matplotlib 3.8.4" in second.text


def test_a_mended_script_keeps_the_rules(charts, tmp_path):
    """A repair that reads a file is told so."""
    with Endpoint(fenced(GOOD)) as endpoint:
        endpoint.then(Says(fenced(GOOD + "data = open('x').read()")))
        verdict = mended(charts, endpoint, BROKEN, tmp_path)
        assert isinstance(verdict, Keep)
        assert "file_use: line" in endpoint.calls[1].text


@pytest.mark.parametrize("answer", [Says("No."), Says(fenced(GOOD), finish="length"), Says(fenced(BROKEN))])
def test_what_is_never_mended_is_rejected_for_its_own_error(charts, tmp_path, answer):
    with Endpoint(lambda call: answer) as endpoint:
        verdict = mended(charts, endpoint, BROKEN, tmp_path)
        assert len(endpoint.calls) == 3  # each attempt is a question of its own
    assert isinstance(verdict, Reject)
    assert verdict.reason == "script_error" and "ZeroDivisionError" in verdict.detail


def test_a_script_that_works_is_not_asked_about(charts, tmp_path):
    with Endpoint("?") as endpoint:
        assert isinstance(mended(charts, endpoint, GOOD, tmp_path), Keep)
        assert not endpoint.calls


@pytest.mark.parametrize(("said", "kept"), [("Clear.\nScore: 4", True), ("Crowded.\n**Score: 3**", False)])
def test_marks_decide(tmp_path, said, kept):
    sample = script(GOOD, **{ATTEMPT: {}}).model_copy(update={"prompt": (Image(data=b"\x89PNG"), "Draw it.")})
    with Endpoint(said) as endpoint:
        (verdict,) = ask(endpoint, aesthetics(Settings()), [sample], tmp_path)
        assert endpoint.calls[0].pictures == [b"\x89PNG"]
    if kept:
        assert (verdict.row.checks["aesthetic"], verdict.row.checks["rubric"]) == (4, "chart-aesthetics-1")
    else:
        assert verdict.reason == "low_aesthetic"
