"""Wrong first and right later, in the real sandbox: the right one is kept, and never something worse than the first."""

from __future__ import annotations

import json

import pytest

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Image
from viscodex.model.chat import turns
from viscodex.model.generate import Sampling
from viscodex.model.prompts import task
from viscodex.sandbox.browser import render_page
from viscodex.sandbox.pages import View
from viscodex.serve import refine_page
from viscodex.serve.generate import write
from viscodex.serve.refine import Refining, best_of, refine

from .scripted import Scripted, fenced

SAMPLING = Sampling()


def page(header="navy", text="Prices of apples", extra=""):
    return (
        f"<!DOCTYPE html><html><body style='margin:0;font:24px sans-serif'>"
        f"<div style='background:{header};height:80px'></div><p style='margin:20px'>{text}</p>{extra}</body></html>"
    )


RIGHT = page()
WRONG = page("crimson", "Something else")
NEARER = page("crimson")
BROKEN = "I cannot do that."


@pytest.fixture(scope="module")
def wanted():
    """The picture of RIGHT, 800 pixels wide."""
    return Image(data=render_page(RIGHT, View(width=800, height=600)).png)


def said(answer):
    return answer if isinstance(answer, Exception) or answer == BROKEN else fenced(answer)


def run(wanted, *answers, kind="html", then=(), **refining):
    source = Scripted(*map(said, answers))
    sample = task(kind, [wanted] if wanted else [], "Draw it." if kind != "html" else "")
    return source, list(refine(source, sample, SAMPLING, Refining(**refining), then))


def test_wrong_first_and_right_later(wanted, tmp_path):
    _, rounds = run(wanted, WRONG, NEARER, RIGHT, WRONG)
    assert [one.is_best for one in rounds] == [True, True, True]
    similarities = [one.candidate.similarity for one in rounds]
    assert similarities == sorted(similarities)
    assert similarities[-1] == pytest.approx(1.0)
    assert best_of(rounds).candidate.completion.code == RIGHT
    code = refine_page.write(tmp_path / "out", task("html", [wanted], name="shot"), rounds)
    assert code.read_text() == RIGHT + "\n"
    shown = (tmp_path / "out" / "refine.html").read_text()
    assert all(f"Round {number}" in shown for number in range(3))
    facts = json.loads((tmp_path / "out" / "rounds.json").read_text())
    assert (facts["best"], [row["status"] for row in facts["rounds"]]) == (2, ["ok", "ok", "ok"])
    for row in facts["rounds"]:
        assert (tmp_path / "out" / row["picture"]).read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / "out" / row["difference"]).exists()


def test_a_revision_is_asked_for_with_evidence(wanted):
    source, rounds = run(wanted, WRONG, RIGHT)
    heard = turns(source.asked[1])
    assert [turn.role for turn in heard] == ["user", "assistant", "user"]
    assert heard[1].text == f"```\n{WRONG}\n```"
    assert "% alike" in heard[2].text and "- different:" in heard[2].text
    assert [part for part in heard[2].parts if isinstance(part, Image)] == [Image(data=rounds[0].difference)]
    assert rounds[1].asked == heard[2].text


@pytest.mark.parametrize(
    "worse", [WRONG, BROKEN, RuntimeError("the service is gone"), page(extra="<p style='height:3000px'>x")]
)
def test_never_worse_than_the_first(wanted, worse):
    _, rounds = run(wanted, NEARER, worse, worse, RIGHT, patience=2)
    assert len(rounds) == 3  # two in vain
    assert best_of(rounds).number == 0


def test_enough_is_enough(wanted):
    source, rounds = run(wanted, RIGHT, WRONG)
    assert len(rounds) == len(source.asked) == 1


def test_no_more_rounds_than_allowed(wanted):
    assert len(run(wanted, WRONG, WRONG, WRONG, rounds=1)[1]) == 2
    assert len(run(wanted, WRONG, rounds=0)[1]) == 1


def test_follow_ups_go_on_from_the_best(wanted):
    """The picture is not the measure any more: what is asked for has to work."""
    blue, form = page("blue"), page("blue", extra="<form><input></form>")
    source, rounds = run(wanted, WRONG, RIGHT, blue, BROKEN, form, then=["Make the header blue.", "Add a form."])
    assert best_of(rounds).candidate.completion.code == form
    assert [one.is_follow_up for one in rounds] == [False, False, True, True, True]
    heard = turns(source.asked[2])
    assert (heard[1].text, heard[2].text) == (f"```\n{RIGHT}\n```", "Make the header blue.")
    assert turns(source.asked[3])[1].text == f"```\n{blue}\n```"
    assert "does not work" in source.asked[4].prompt[0]


def test_a_follow_up_that_never_works_changes_nothing(wanted):
    _, rounds = run(wanted, RIGHT, BROKEN, BROKEN, BROKEN, then=["Add a form."], rounds=2)
    assert best_of(rounds).candidate.completion.code == RIGHT


def test_a_program_is_mended_until_it_runs():
    source, rounds = run(None, "print(1 +)", "print(1 / 0)", "print(42)", kind="algorithm")
    assert best_of(rounds).candidate.outcome.output == "42\n"
    assert "SyntaxError" in rounds[1].asked and "ZeroDivisionError" in rounds[2].asked
    assert all(isinstance(part, str) for sample in source.asked for part in sample.prompt)


def test_what_cannot_be_refined_is_said(wanted):
    with pytest.raises(VisCodexError, match="qa cannot be run"):
        run(wanted, "x", kind="qa")
    with pytest.raises(VisCodexError, match="no reply"):
        run(wanted, RuntimeError("no reply"))


def test_the_best_of_several_is_the_most_alike(wanted):
    """Which works, which looks right; the first of equals."""
    sample = task("html", [wanted], name="shot")
    for answers, best in (([WRONG, RIGHT, BROKEN], 1), ([BROKEN, WRONG, NEARER], 2), ([RIGHT, RIGHT, RIGHT], 0)):
        source = Scripted(*map(said, answers))
        (written,) = write(source, [sample], Sampling(n=3, temperature=1))
        assert written.completion.index == best
        assert [one["index"] for one in written.facts()["candidates"]] == [0, 1, 2]
        assert written.facts()["run"]["status"] == "ok"
