"""What a judge is asked, and what is read from the answer."""

from __future__ import annotations

import io
from importlib import resources

import PIL.Image
import pytest
from tests.eval.chartmimic.conftest import chart, fenced

from viscodex.eval.chartmimic.judgement import RUBRIC, is_white
from viscodex.eval.verdict import UnreadableError, read_score
from viscodex.model.generate import Completion

REPLIES = {
    "as asked": ("Chart types: same 20/20\nLayout: same 10/10\nScore: 85/100", 0.85),
    "alone": ("Score: 85", 0.85),
    "bold": ("**Score: 85/100**", 0.85),
    "bold in part": ("**Score:** 85/100", 0.85),
    "a heading": ("### Score: 85/100", 0.85),
    "final": ("- **Final Score**: 72.5 / 100", 0.725),
    "lower case": ("score: 7/100.", 0.07),
    "points": ("Total score: 90 points", 0.9),
    "in code": ("`Score: 40`", 0.4),
    "the last counts": ("Score: 10/100\nSo:\nScore: 20/100", 0.2),
    "sub-scores do not": ("Score: 60/100\nLayout Score: 8/10\n", 0.6),
    "of a dimension": ("Score: 8/10", None),
    "too much": ("Score: 120/100", None),
    "less than nothing": ("Score: -5", None),
    "none": ("It looks fine.", None),
    "nothing": ("", None),
    "in a sentence": ("I would say the score: good", None),
    "a template": ("Score: [sum]/100", None),
}


@pytest.mark.parametrize(("reply", "value"), REPLIES.values(), ids=REPLIES)
def test_the_last_final_score_counts(reply, value):
    if value is not None:
        assert read_score(reply) == value
        return
    with pytest.raises(UnreadableError):
        read_score(reply)


def test_a_megabyte_of_reply_is_read():
    with pytest.raises(UnreadableError):
        read_score("*" * 1_000_000 + "\n" + "Score: " + "9" * 1_000_000)


def test_the_rubric_has_its_version_and_a_hundred_points():
    text = resources.files("viscodex.eval").joinpath("rubrics", f"{RUBRIC}.md").read_text(encoding="utf-8")
    assert text.startswith(f"version: {RUBRIC}\n")
    points = [int(line.split("|")[2]) for line in text.splitlines() if line.startswith("| ") and line[2].isupper()]
    assert (len(points), sum(points)) == (6, 100)
    assert text.strip().endswith("Score: [sum]/100")
    assert read_score(text.replace("[sum]", "50")) == 0.5


def test_pictures_are_drawn_for_looking_closely(scorer):
    code = "import matplotlib.pyplot as plt\nplt.figure(figsize=(4, 3))\nplt.plot([1, 2])\n"
    wide = code.replace("(4, 3)", "(40, 30)")
    outcome = scorer.score(chart(wide), Completion(sample_id="bar_1", text=fenced(code)))
    reference, answer = (PIL.Image.open(io.BytesIO(png)) for png in outcome.judge[0].pictures)
    assert answer.size == (1400, 1050)
    assert 20e6 < reference.width * reference.height <= 25e6
    assert (outcome.judge[0].metric, outcome.judge[0].rubric) == ("judge", RUBRIC)
    assert outcome.pictures == {"answer": outcome.judge[0].pictures[1], "reference": outcome.judge[0].pictures[0]}


def test_white_is_told_from_nearly_white():
    def png(picture: PIL.Image.Image) -> bytes:
        file = io.BytesIO()
        picture.save(file, "png")
        return file.getvalue()

    white = PIL.Image.new("RGB", (400, 300), "white")
    assert is_white(png(white))
    assert is_white(png(PIL.Image.new("RGBA", (40, 30), (0, 0, 0, 0))))
    white.putpixel((200, 100), (255, 255, 254))
    assert not is_white(png(white))
    assert not is_white(png(PIL.Image.effect_noise((400, 300), 50).convert("RGB")))
