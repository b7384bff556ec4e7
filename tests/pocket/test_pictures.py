"""Pictures of many on one sheet are those of each by itself, and cost less."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
from PIL import Image

from viscodex.core.errors import VisCodexError
from viscodex.pocket.pictures import Painter, pictures
from viscodex.pocket.worlds import FAMILIES, draw
from viscodex.pocket.worlds.problem import Problem
from viscodex.pocket.worlds.words import HEIGHT, WIDTH
from viscodex.sandbox.browser import render_page
from viscodex.sandbox.chart import Charts, run_chart
from viscodex.sandbox.pages import View

VIEW = View(width=WIDTH, height=HEIGHT, text_blocks=False)


def one_of_each_family(kind, split="train"):
    found = {}
    index = 0
    while len(found) < len(FAMILIES[kind]):
        problem = draw(kind, split, index)
        found.setdefault(problem.family, problem)
        index += 1
    return list(found.values())


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Charts and pages in one go, a problem without a picture between them, and where they were kept."""
    cache = tmp_path_factory.mktemp("cache")
    problems = [
        *one_of_each_family("chart"),
        Problem("bare", "algorithm", "ordered", "", ""),
        *one_of_each_family("page"),
        draw("chart", "train", 0),
    ]
    return problems, list(pictures(problems, workers=1, cache=cache)), cache


def test_a_picture_is_what_the_sandbox_draws_of_its_program_alone(drawn):
    for problem, png in zip(*drawn[:2], strict=True):
        if not problem.picture_of:
            assert png == b""
            continue
        if problem.kind == "chart":
            alone = run_chart(problem.picture_of)
            assert alone.status == "ok", alone.reason
        else:
            alone = render_page(problem.picture_of, VIEW)
            assert alone.ok and (alone.width, alone.height) == (WIDTH, HEIGHT), problem.code
        assert pixels(png).shape == (HEIGHT, WIDTH, 3)
        assert np.array_equal(pixels(png), pixels(alone.png)), problem.id


def test_pictures_that_are_kept_are_not_drawn_again(drawn, monkeypatch):
    problems, pngs, cache = drawn
    monkeypatch.setattr(Painter, "_scripts", lambda self, scripts: iter([b""] * len(scripts)))
    monkeypatch.setattr(Painter, "_pages", lambda self, pages: iter([b""] * len(pages)))
    assert list(pictures(problems, workers=2, cache=cache)) == pngs
    assert len([name for _, _, names in os.walk(cache) for name in names]) == len(set(pngs) - {b""})


def test_a_program_of_ours_that_fails_is_an_error_and_no_blank_picture():
    broken = Problem("broken", "chart", "bar", "", "", picture_of="import matplotlib.pyplot as plt\nplt.bar(1)")
    with pytest.raises(VisCodexError, match="cannot be drawn: error: TypeError"):
        list(pictures([broken], workers=1))


@pytest.mark.slow
def test_all_pages_of_a_test_set_fit_the_window():
    problems = [draw("page", "test", index) for index in range(100)]
    for problem in problems:
        page = render_page(problem.code, VIEW)
        assert page.ok and (page.width, page.height) == (WIDTH, HEIGHT), problem.code


@pytest.mark.slow
def test_all_charts_of_a_test_set_run_alone():
    with Charts(1) as charts:
        for index in range(200):
            problem = draw("chart", "test", index)
            assert charts.run(problem.code).status == "ok", problem.code


@pytest.mark.slow
def test_pictures_come_in_order_whatever_the_workers():
    problems = [draw(("chart", "page", "question")[index % 3], "test", index) for index in range(120)]
    assert list(pictures(problems, workers=2)) == list(pictures(problems, workers=1))
