"""What becomes of code: a page is drawn in the window that its picture would have been taken in."""

from __future__ import annotations

import io

import PIL.Image
import pytest

from viscodex.serve.outcome import USUAL, run

PAGE = "<body style='margin:0'><div style='height:150px;background:teal'></div></body>"


def size_of(png: bytes) -> tuple[int, int]:
    with PIL.Image.open(io.BytesIO(png)) as picture:
        return picture.size


@pytest.mark.parametrize("size", [(252, 196), (390, 844), (1280, 720), (2560, 1100)])
def test_a_page_is_as_large_as_its_picture(size):
    outcome = run("html", PAGE, size)
    assert outcome.is_ok
    assert size_of(outcome.png) == size


@pytest.mark.parametrize("size", [(32, 32), (239, 400), (2561, 1000)])
def test_a_picture_that_no_window_has_is_no_measure(size):
    """Icons and posters: the page is drawn in the usual window."""
    assert size_of(run("html", PAGE, size).png) == USUAL


def test_a_picture_of_a_whole_page_gives_its_width():
    assert size_of(run("html", PAGE, (800, 5000)).png) == (800, USUAL[1])


def test_no_code_is_an_outcome():
    assert run("html", "  \n").status == "no_code"
