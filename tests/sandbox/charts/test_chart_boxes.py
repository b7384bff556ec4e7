"""Where a chart's texts lie, told only to those who ask, and true of the picture."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest

DRAW = """
import matplotlib.pyplot as plt
fig, ax = plt.subplots(figsize=(5, 4))
ax.plot([1, 2, 3])
ax.set_title("A title")
"""


@pytest.fixture
def run(best):
    """None of this depends on how scripts are held."""
    return best.run


def boxes_of(run, code):
    chart = run(code, boxes=True)
    assert chart.ok and chart.boxes is not None, chart
    return chart.boxes


def test_they_are_told_only_when_asked_for_and_change_nothing_else(run):
    plain, measured = run(DRAW), run(DRAW, boxes=True)
    assert plain.boxes is None and measured.boxes is not None
    assert (plain.png, plain.artists) == (measured.png, measured.artists)


def test_a_box_is_where_the_ink_is(run):
    chart = run("import matplotlib.pyplot as plt\nfig = plt.figure()\nfig.text(0.3, 0.7, 'Hamburg')", boxes=True)
    (text,) = chart.boxes.texts
    dark = np.asarray(PIL.Image.open(io.BytesIO(chart.png)).convert("L")) < 128
    rows, columns = np.nonzero(dark)
    assert text.x - text.width / 2 - 1 <= columns.min() and columns.max() <= text.x + text.width / 2 + 1
    assert text.y - text.height / 2 - 1 <= rows.min() and rows.max() <= text.y + text.height / 2 + 1
    assert (chart.boxes.width, chart.boxes.height) == (640, 480)


def test_every_text_has_its_role(run):
    boxes = boxes_of(run, DRAW + "ax.set_xlabel('x')\nax.text(1, 2, 'note')\nax.plot([3, 1], label='l')\nax.legend()\n")
    roles = {text.text: text.role for text in boxes.texts}
    assert roles["A title"] == "title" and roles["x"] == "label" and roles["note"] == "other" and roles["l"] == "legend"
    assert roles["2.00"] in ("tick x", "tick y")
    assert {text.axes for text in boxes.texts if text.role != "other"} == {0}


def test_what_is_not_drawn_has_no_box(run):
    boxes = boxes_of(
        run,
        DRAW + "ax.set_xlim(0.6, 1.4)\nax.text(1, 2, 'hidden', visible=False)\nax.text(1, 2, ' ')\n"
        "ax.text(1, 2, 'clear', alpha=0)\nax.text(9, 2, 'far', clip_on=True)\n",
    )
    words = {text.text for text in boxes.texts}
    assert not words & {"hidden", " ", "clear", "far"}
    ticks = [text.text for text in boxes.texts if text.role == "tick x"]
    assert "0.0" not in ticks and "1.0" in ticks


def test_slanted_texts_are_told_unturned(run):
    boxes = boxes_of(run, DRAW + "ax.text(1, 2, 'slanted words', rotation=30)\nax.text(2, 2, 'up', rotation=90)\n")
    slanted, up = (next(text for text in boxes.texts if text.text == words) for words in ("slanted words", "up"))
    assert slanted.angle == 30 and slanted.width > 4 * slanted.height
    assert up.angle == 0 and up.height > up.width


def test_texts_in_three_dimensions_are_where_they_are_drawn(run):
    boxes = boxes_of(
        run,
        "import matplotlib.pyplot as plt\nax = plt.figure().add_subplot(projection='3d')\nax.plot([1], [2], [3])\n"
        "ax.set(xlim=(0, 9), ylim=(0, 9), zlim=(0, 9))\nax.text(4, 5, 6, 'inside', 'x')\n",
    )
    inside = next(text for text in boxes.texts if text.text == "inside")
    assert 200 < inside.x < 450 and 100 < inside.y < 380
    assert {text.role for text in boxes.texts} >= {"tick x", "tick y", "tick z"}


@pytest.mark.parametrize(
    ("code", "is_empty"),
    [
        ("", True),
        ("ax.plot([1])", False),
        ("ax.text(0, 0, 'x')", False),
        ("ax.axis('off')", False),
        ("ax.table([['a']])", False),
        ("ax.add_patch(plt.Circle((0, 0), 1))", False),
        ("ax.inset_axes([0, 0, 1, 1]).plot([1])", False),
    ],
)
def test_axes_are_empty_when_they_frame_nothing(run, code, is_empty):
    boxes = boxes_of(run, f"import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\n{code}\n")
    assert boxes.axes[0].is_empty is is_empty


def test_missing_letters_are_told_whatever_the_script_does_about_warnings(run):
    silent = "import warnings\nwarnings.filterwarnings('ignore')\n"
    boxes = boxes_of(run, silent + DRAW + "ax.set_xlabel('年')\n")
    assert len(boxes.missing_glyphs) == 1 and "missing from" in boxes.missing_glyphs[0]
    assert not boxes_of(run, DRAW).missing_glyphs


def test_a_script_that_draws_its_own_texts_can_only_spoil_its_own_boxes(run):
    code = DRAW + "from matplotlib.text import Text\nText.get_window_extent = lambda *a, **k: None\n"
    chart = run(code, boxes=True)
    assert chart.boxes is None
    assert run(DRAW, boxes=True).boxes is not None
