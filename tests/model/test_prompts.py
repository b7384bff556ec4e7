"""Packaged prompts and chat messages; the stand-ins."""

from __future__ import annotations

import pytest

from viscodex.core.sample import KINDS, Image, Sample
from viscodex.model.extract import extract
from viscodex.model.generate import Sampling
from viscodex.model.prompts import default_prompt, messages, task, text_messages
from viscodex.model.standins import Blank, Oracle

PICTURE = Image(path="a.png")
SAMPLE = Sample(id="s", kind="qa", prompt=("Before", PICTURE, "after", PICTURE), response="It is `x`.")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_versioned_prompt(kind):
    prompt = default_prompt(kind)
    assert prompt.version == f"{kind}-1"
    assert "version:" not in prompt.text
    assert len(prompt.text) > 200


@pytest.mark.parametrize(("kind", "tag"), [("html", "html"), ("chart", "python"), ("algorithm", "python")])
def test_prompts_ask_for_what_is_extracted(kind, tag):
    assert f"one ```{tag} block" in default_prompt(kind).text


def test_a_task_shows_the_pictures_first():
    assert task("html", [PICTURE]).prompt == (PICTURE, default_prompt("html").text)
    assert task("html", [PICTURE, PICTURE], "Which?").prompt == (PICTURE, PICTURE, "Which?")


def test_messages_keep_the_reading_order():
    text = [{"type": "text", "text": "Before"}, {"type": "image"}, {"type": "text", "text": "after"}, {"type": "image"}]
    assert messages(SAMPLE) == [{"role": "user", "content": text}]
    assert messages(SAMPLE, answered=True)[1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "It is `x`."}],
    }
    assert text_messages(SAMPLE) == [{"role": "user", "content": "Before\nafter"}]


@pytest.mark.parametrize("kind", KINDS)
def test_the_oracle_gives_the_reference(kind):
    code = "<html>\n</html>" if kind == "html" else "print(1)"
    for response in (code, f"Here:\n```\n{code}\n```"):
        sample = Sample(id="s", kind=kind, prompt=("?",), response=response)
        [answer] = Oracle().generate([sample], Sampling())
        assert (answer.text, answer.code, answer.finish) == (response, code, "stop")
        assert "".join(stream := Oracle().stream(sample, Sampling())) == response
        assert stream.completion == answer


def test_the_oracle_without_a_reference():
    [answer] = Oracle().generate([Sample(id="s", kind="qa", prompt=("?",))], Sampling())
    assert (answer.finish, answer.reason) == ("error", "the sample has no reference response")


@pytest.mark.parametrize("kind", KINDS)
def test_blank_gives_nothing(kind):
    sample = Sample(id="s", kind=kind, prompt=("?",), response="x")
    answers = list(Blank().generate([sample], Sampling(n=2, temperature=1)))
    assert [answer.index for answer in answers] == [0, 1]
    answer = answers[0]
    assert extract(answer.text, kind) == answer.code
    assert bool(answer.code) is (kind in ("html", "chart"))
    if kind == "chart":
        compile(answer.code, "blank", "exec")
    assert "".join(stream := Blank().stream(sample, Sampling())) == answer.text
    assert stream.completion == answer
