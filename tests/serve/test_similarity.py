"""Laws of the similarity of pictures, and what is said of a picture's kind."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from viscodex.serve.kind import kind_of
from viscodex.serve.similarity import compare, overlay


def page(*boxes, width=640, height=480, paper="white"):
    """Stripes of "text" and coloured boxes on paper."""
    picture = PIL.Image.new("RGB", (width, height), paper)
    canvas = PIL.ImageDraw.Draw(picture)
    for row in range(40, 400, 24):
        for column in range(40, 500, 17):
            canvas.rectangle((column, row, column + 9, row + 10), fill="black")
    for left, top, right, bottom, colour in boxes:
        canvas.rectangle((left, top, right, bottom), fill=colour)
    return picture


HEADER = (0, 0, 639, 30, "navy")


def test_a_picture_is_like_itself():
    alike = compare(page(HEADER), page(HEADER))
    assert (alike.value, alike.regions) == (pytest.approx(1.0), ())


def test_it_is_symmetric():
    assert compare(page(HEADER), page()).value == pytest.approx(compare(page(), page(HEADER)).value)


def test_more_wrong_is_less_alike():
    """The right page, a wrong colour, a part missing, everything missing."""
    wanted = page(HEADER, (300, 410, 600, 470, "teal"))
    given = [wanted, page(HEADER, (300, 410, 600, 470, "orange")), page(HEADER), page(), page()]
    given[-1] = PIL.Image.new("RGB", (640, 480), "white")
    values = [compare(wanted, one).value for one in given]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 5
    assert values[-1] < 0.2


def test_what_is_missing_below_counts():
    short, long = page(HEADER), page(HEADER, height=960)
    assert compare(short, long).value < 0.95


def test_scale_does_not_matter():
    large = page(HEADER).resize((1280, 960), PIL.Image.Resampling.NEAREST)
    assert compare(page(HEADER), large).value > 0.95


def test_regions_say_where():
    (box,) = compare(page(HEADER), page(HEADER, (300, 410, 600, 470, "teal"))).regions
    left, top, right, bottom = box
    assert left < 300 / 640 < right and top < 410 / 480 < bottom
    assert right - left < 0.6 and bottom - top < 0.3
    drawn = PIL.Image.open(io.BytesIO(overlay(page(HEADER), compare(page(HEADER), page()))))
    assert drawn.size == (640, 480)
    assert (np.asarray(drawn)[..., 0] == 214).any()


@pytest.mark.parametrize("size", [(1, 1), (8, 3000), (3000, 8), (7, 7)])
def test_odd_sizes(size):
    picture = PIL.Image.new("RGB", size, "red")
    assert compare(picture, picture).value == pytest.approx(1.0)
    assert 0 <= compare(picture, page()).value < 1


@pytest.mark.parametrize(
    ("picture", "kind"),
    [
        (page(width=1280, height=720), "html"),
        (page(width=390, height=844), "html"),
        (page(width=700, height=5000), "html"),
        (page(HEADER), "html"),
        (page(), "chart"),
        (page(width=1000, height=600, paper="#eeeeee"), "chart"),
    ],
)
def test_the_rule_for_kinds(picture, kind):
    assert kind_of(picture) == kind
