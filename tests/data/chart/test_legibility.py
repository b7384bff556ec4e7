"""Boxes of texts held against each other: pure geometry."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viscodex.data.chart.legibility import are_ticks_of_one_axis, corners, problem, shared, stands_out
from viscodex.sandbox.chart_legibility import AxesBox, Boxes, TextBox


def text(x=100.0, y=100.0, width=40.0, height=14.0, angle=0.0, words="words", role="other", axes=0, size=14.0):
    return TextBox(text=words, role=role, axes=axes, x=x, y=y, width=width, height=height, angle=angle, size=size)


def chart(*texts, axes=(), glyphs=()):
    return Boxes(width=640, height=480, dpi=100, texts=texts, axes=axes, missing_glyphs=glyphs)


FRAME = AxesBox(box=(80, 60, 600, 400), is_empty=False)
HOLLOW = AxesBox(box=(80, 60, 600, 400), is_empty=True)
ELSEWHERE = AxesBox(box=(0, 0, 40, 40), is_empty=True)


def ticks(step, count=5, size=14.0, angle=0.0):
    return [text(100 + step * n, 420, 40, words=str(n), role="tick x", size=size, angle=angle) for n in range(count)]


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        (chart(text(), text(x=110, words="others")), "overlapping_text"),
        (chart(text(width=100), text(x=192, width=100, words="others")), "overlapping_text"),  # two titles
        (chart(text(x=5)), "clipped_text"),
        (chart(text(y=479)), "clipped_text"),
        (chart(text(x=900)), "clipped_text"),
        (chart(axes=(FRAME, ELSEWHERE)), "empty_axes"),
        (chart(*ticks(30)), "unreadable_ticks"),
        (chart(*ticks(60, size=3)), "unreadable_ticks"),
        (chart(glyphs=("Glyph 26631 missing from current font.",)), "missing_glyphs"),
    ],
)
def test_a_chart_earns_its_reason(boxes, reason):
    found = problem(boxes)
    assert found is not None and found.reason == reason


@pytest.mark.parametrize(
    "boxes",
    [
        chart(),
        chart(text(), text(x=145)),
        chart(text(), text(y=113)),  # lines of a paragraph stand closer than their boxes
        chart(text(), text()),  # the same words twice on one spot
        chart(axes=(FRAME, HOLLOW)),  # a twin
        chart(*ticks(60)),
        chart(*ticks(30, angle=45)),
        chart(*ticks(30, count=2)),
        chart(text(x=21)),
    ],
)
def test_what_can_be_read_is_kept(boxes):
    assert problem(boxes) is None


def test_ticks_are_held_against_ticks_of_their_axis_only():
    one, other = text(role="tick x", axes=0), text(role="tick x", axes=1)
    assert not are_ticks_of_one_axis(one, other)
    assert are_ticks_of_one_axis(one, text(role="tick x", axes=0))
    assert not are_ticks_of_one_axis(one, text(role="label", axes=0))


numbers = st.floats(-200, 200)
boxes = st.builds(
    text, x=numbers, y=numbers, width=st.floats(5, 90), height=st.floats(5, 30), angle=st.floats(-180, 180)
)


@given(boxes, boxes)
def test_the_shared_part_is_a_share_and_symmetric(one, other):
    assert 0 <= shared(one, other) <= 1 + 1e-9
    assert math.isclose(shared(one, other), shared(other, one), abs_tol=1e-6)


@given(boxes)
def test_a_text_lies_wholly_on_itself_and_turning_it_over_changes_nothing(one):
    assert math.isclose(shared(one, one), 1, abs_tol=1e-6)
    half_turn = one.model_copy(update={"angle": one.angle + 180})
    assert math.isclose(shared(one, half_turn), 1, abs_tol=1e-6)


@given(boxes)
def test_corners_are_about_the_centre(one):
    xs, ys = zip(*corners(one), strict=True)
    assert math.isclose(sum(xs) / 4, one.x, abs_tol=1e-6) and math.isclose(sum(ys) / 4, one.y, abs_tol=1e-6)


def test_a_slanted_text_stands_out_where_its_corner_does():
    assert not stands_out(text(x=20, width=30), chart())
    assert stands_out(text(x=20, y=470, width=60, angle=60), chart())
