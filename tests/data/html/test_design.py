"""A model designs pages: drawn by id and seed, its answers judged, each question paid for once."""

from __future__ import annotations

import io
from collections import Counter

import PIL.Image
import pytest
from tests.data.asking import ask
from tests.data.html.conftest import WORDS
from tests.endpoint import Endpoint, Says

from viscodex.core.sample import Image, Sample
from viscodex.data.html.design import Design, keep_own_page, quality
from viscodex.data.html.settings import Settings
from viscodex.runner.stage import Fail, Keep, Reject

PAGE = f"<!DOCTYPE html><html><body><h1>New</h1><p>{WORDS}</p></body></html>"


def seed(name="html-1"):
    file = io.BytesIO()
    PIL.Image.new("RGB", (100, 80), "red").save(file, "PNG")
    return Sample(id=name, kind="html", prompt=(Image(data=file.getvalue()),), checks={"origin": {"name": "x"}})


def test_the_model_sees_the_seed_and_what_is_drawn(tmp_path):
    settings = Settings(seed=3, css=("tailwind",))
    with Endpoint(f"Here it is:\n```html\n{PAGE}\n```") as endpoint:
        (verdict,) = ask(endpoint, Design(settings), [seed()], tmp_path)
        (call,) = endpoint.calls
    assert isinstance(verdict, Keep)
    row = verdict.row
    assert row.response == PAGE and row.prompt == ()
    assert call.pictures == [seed().images[0].read()]
    assert row.checks["topic"] in call.text and row.checks["language"] in call.text
    assert "tailwind.js" in call.text and "{" not in call.text
    assert row.checks["css"] == "plain"  # what the page does, not what it was asked for
    generator = row.checks["generator"]
    assert generator["model"] == "served" and generator["prompt_version"] == "html-design-1"
    assert generator["params"] == {"temperature": 0.8, "max_tokens": 8192}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Says(f"```html\n{PAGE}\n```", finish="length"), "truncated"),
        (Says(f"```html\n{PAGE[:-30]}"), "truncated"),
        (Says("I would put a header above a grid of cards."), "no_code"),
        (Says("I'm sorry, I can't help with that."), "no_code"),
        (Says(""), "no_code"),
    ],
)
def test_other_answers_are_rejected_with_their_reason(tmp_path, answer, reason):
    with Endpoint(lambda call: answer) as endpoint:
        (verdict,) = ask(endpoint, Design(Settings()), [seed()], tmp_path)
    assert isinstance(verdict, Reject) and verdict.reason == reason


def test_draws_depend_on_id_and_seed_alone_and_are_spread():
    design = Design(Settings(seed=1))
    draws = [design.drawn(f"html-{number}") for number in range(400)]
    assert draws == [Design(Settings(seed=1)).drawn(f"html-{number}") for number in range(400)]
    assert draws != [Design(Settings(seed=2)).drawn(f"html-{number}") for number in range(400)]
    assert len({draw["topic"] for draw in draws}) > 50
    css = Counter(draw["css"] for draw in draws)
    assert css["plain"] > css["tailwind"] > 50 and css["bootstrap"] > 50


def test_without_a_model_a_page_is_its_own_response_and_a_screenshot_is_rejected():
    page = seed().model_copy(update={"response": PAGE})
    assert keep_own_page(None, page) == Keep(page)
    verdict = keep_own_page(None, seed())
    assert isinstance(verdict, Reject) and verdict.reason == "no_page"


@pytest.mark.parametrize(
    ("said", "kept", "marks"),
    [
        ("A fine page.\n\nScore: 5", True, 5),
        ("**Score: 4/5**", True, 4),
        ("Cut text.\nScore: 3", False, 3),
        ("<think>Score: 1</think>Fine.\nScore: 4", True, 4),
    ],
)
def test_marks_decide(tmp_path, said, kept, marks):
    page = seed().model_copy(update={"response": PAGE})
    with Endpoint(said) as endpoint:
        (verdict,) = ask(endpoint, quality(Settings()), [page], tmp_path)
    if kept:
        assert verdict.row.checks["quality"] == marks
    else:
        assert verdict.reason == "low_quality" and verdict.detail.startswith(f"{marks}: ")


def test_a_judge_that_gives_no_marks_is_asked_again_and_then_is_an_error(tmp_path):
    page = seed().model_copy(update={"response": PAGE})
    with Endpoint("Lovely!") as endpoint:
        endpoint.then(Says("Lovely!"), Says("Score: 4"))
        (verdict,) = ask(endpoint, quality(Settings()), [page], tmp_path)
        assert isinstance(verdict, Keep) and len(endpoint.calls) == 2
    with Endpoint("Lovely!") as endpoint, pytest.raises(Exception, match="no marks"):
        ask(endpoint, quality(Settings()), [page.model_copy(update={"prompt": ()})], tmp_path)
    assert not isinstance(verdict, Fail)
