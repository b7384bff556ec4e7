"""Blocks: where painted text lies, which texts there are, and that one load of a page sees what three loads see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viscodex.eval.design2code import drawing, palette
from viscodex.eval.design2code.block import without_equal_boxes
from viscodex.eval.design2code.drawing import draw
from viscodex.eval.design2code.failure import PageFailedError
from viscodex.eval.design2code.pixels import Painted, boxes_of, decode, encode, find_blocks
from viscodex.eval.design2code.published import parsed
from viscodex.eval.design2code.sight import Sight, look, look_fixed, look_published
from viscodex.eval.design2code.source_text import read_source, recoloured_copy


@given(st.integers(0, palette.SIZE - 1))
def test_colours_are_apart(index):
    color = palette.color_of(index)
    assert palette.read_color(palette.written(color)) == color
    assert palette.color_of(0) == (250, 250, 250) and palette.color_of(1) == (250, 250, 234)


@pytest.mark.parametrize(
    ("text", "color"),
    [("#FaFAea !important", (250, 250, 234)), ("#fff", (255, 255, 255)), ("Red", (255, 0, 0)),
     ("rgb(1, 2,3)", (1, 2, 3)), ("rgb(1,2,300)", None), ("", None), ("var(--x)", None), ("#12", None)],
)  # fmt: skip
def test_colours_as_pages_write_them(text, color):
    assert palette.read_color(text) == color


def test_boxes_of_painted_pixels():
    first = np.full((20, 30, 3), 255, dtype=np.uint8)
    original = np.full((20, 30, 3), 7, dtype=np.uint8)
    colors = [palette.color_of(0), palette.color_of(4095), (200, 0, 0)]
    places = [(slice(2, 5), slice(3, 9)), (slice(10, 11), slice(0, 30)), (slice(15, 18), slice(20, 22))]
    second = first.copy()
    for color, place in zip(colors, places, strict=True):
        first[place] = color
        second[place] = palette.shifted(color)
    original[2, 3] = (70, 7, 7)
    first[0, 0] = second[0, 0] = colors[0]  # did not follow: not text
    found = boxes_of(Painted(original, first, second), [*colors, (0, 200, 0)])
    assert found == {
        colors[0]: ((3 / 30, 2 / 20, 6 / 30, 3 / 20), (10.0, 7.0, 7.0)),  # 63 / 18 more than 7, truncated
        colors[1]: ((0.0, 10 / 20, 1.0, 1 / 20), (7.0, 7.0, 7.0)),
        colors[2]: ((20 / 30, 15 / 20, 2 / 30, 3 / 20), (7.0, 7.0, 7.0)),
    }
    assert find_blocks(Painted(original, first, second[:-1]), []) == []


def test_pixels_survive_encoding():
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert (decode(encode(picture)) == picture).all()


def test_texts_of_the_source():
    page = (
        "<html><body><p>One <strong style='color:red'>two</strong></p>three<section style='border-color'>"
        "<div>four<script>five</script><!-- six --></div></section></body></html>"
    )
    source = read_source(parsed(page))
    first, second = palette.color_of(0), palette.color_of(1)
    assert [(node.text, node.color) for node in source.nodes] == [
        ("One", first), ("two", (255, 0, 0)), ("three", (0, 0, 0)), ("four", second), ("five", second),
    ]  # fmt: skip


@pytest.fixture
def browser(scorer):
    return scorer._browser


def test_painting_the_live_page_sees_what_written_copies_show(browser, cases, page):
    """The published scorer loads two recoloured copies; q_inline has most of its quirks."""
    html = page(cases["q_inline__good"]["ref"])
    source = read_source(parsed(html))
    pictures = [draw(browser, html).png]
    pictures += [draw(browser, recoloured_copy(parsed(html), second=second)).png for second in (False, True)]
    written = [block for block in find_blocks(Painted(*map(decode, pictures)), source.nodes) if block]
    live = look_published(browser, html)
    assert len(written) == live.found == 31
    assert sum(block.text.count("uppercase by style") for block in live.blocks) == 1
    assert sorted(b.text for b in live.blocks) == sorted(b.text for b in look(browser, html)["paper"].blocks)


@pytest.mark.parametrize(
    "body",
    [
        "<p>one<p>two <b>bold<i>both</b>slanted</i> end",
        "<b><p>a block in bold</b> after",
        "<table>stray<tr><td>cell<p>in it<td>next</table>after the table",
        "<ul><li>first<li>second<ul><li>inner</ul>tail</ul>",
        "<a href=1>outer <a href=2>inner</a> rest</a>",
        "<div>one</p>two</div></div>three<noscript><p>unseen</p></noscript>",
        "<p style='color:red;background-color:blue'>inline <strong style='color:green'>own</strong></p>",
    ],
)
def test_numbered_elements_are_painted_as_written_copies_are(browser, body, monkeypatch):
    """Pages that Python's parser writes otherwise than a browser reads: elements are moved, doubled or added."""
    html = str(parsed(f"<!DOCTYPE html><html><body style='font:24px Arial'>{body}</body></html>"))
    pictures = [draw(browser, html).png]
    pictures += [draw(browser, recoloured_copy(parsed(html), second=second)).png for second in (False, True)]
    found = find_blocks(Painted(*map(decode, pictures)), read_source(parsed(html)).nodes)
    written = [block for block in found if block]
    loads = []
    monkeypatch.setattr(drawing, "draw", lambda *given, **named: loads.append(1) or draw(*given, **named))
    assert look(browser, html)["paper"].blocks == look_published(browser, html).blocks
    assert look_published(browser, html).blocks == without_equal_boxes(written) and written
    assert len(loads) == 3


@pytest.mark.parametrize(
    ("body", "loads"),
    [
        ("<style>p{padding:10px}</style><div><p>one<p>two</div><p>after", 3),
        ("<style>p::before{content:'*'}</style><table><tr><td><p>one<p>two<td>b</table><h2>after</h2>", 3),
        ("<div style='display:flex;gap:30px;justify-content:center'><p>one<p>two</div><h1>after</h1>", 3),
        ("<style>p:last-child{font-size:40px}</style><div><p>one<p>two</div><div>after</div>", 3),
        ("<style>b{white-space:pre-line}</style><b>one<i>two</i>\n\n\n <i>three</i></b>", 3),
        ("<style>b{white-space:pre}</style><ul>\n\n\n  <li>one\n<li>two</ul><p><b>three</b></p>", 1),
        ("<meta charset=latin1><p>one</p>\n\n   <p>two</p>", 1),
    ],
)
def test_pages_that_are_drawn_otherwise_when_they_are_written_anew(browser, body, loads, monkeypatch):
    """Tags that are closed twice are elements of their own: the published scorer's copies have them."""
    html = f"<!DOCTYPE html><html><body style='font:24px Arial'>{body}</body></html>"
    pictures = [draw(browser, html).png]
    pictures += [draw(browser, recoloured_copy(parsed(html), second=second)).png for second in (False, True)]
    found = find_blocks(Painted(*map(decode, pictures)), read_source(parsed(html)).nodes)
    taken = []
    monkeypatch.setattr(drawing, "draw", lambda *given, **named: taken.append(1) or draw(*given, **named))
    seen = look_published(browser, html).blocks
    assert len(taken) == loads
    assert seen == look(browser, html)["paper"].blocks == without_equal_boxes([block for block in found if block])


@pytest.mark.parametrize("name", ["q_inline__good", "q_unclosed__same", "q_unicode__good", "pydoc_about__good"])
def test_one_load_for_both_protocols_sees_what_each_alone_sees(browser, cases, page, name):
    html = page(cases[name]["ref"])
    both = look(browser, html)
    assert both == {"fixed": look_fixed(browser, html), "paper": look_published(browser, html)}


def texts(sight: Sight | PageFailedError) -> list[str]:
    assert isinstance(sight, Sight), sight
    return [block.text for block in sight.blocks]


@pytest.mark.parametrize(
    ("body", "fixed", "paper"),
    [
        ("<main>direct <strong>strong</strong></main>", ["direct", "strong"], []),
        ("<p>one<p>two", ["one", "two"], ["one", "two"]),
        ("<p>seen</p><p style='display:none'>unseen</p>", ["seen"], ["seen"]),
        ("<p style='color:#fff'>white on white</p>", ["white on white"], ["white on white"]),
        ("<p style='opacity:.1;transition:all 9s'>faint</p>", ["faint"], ["faint"]),
        ("<div>text<script>let x = 1</script></div>", ["text"], ["text let x = 1"]),
        ("<svg width=200 height=60><text y=40 font-size=30>drawn</text></svg>", ["drawn"], []),
        ("<h1 style='-webkit-text-fill-color:transparent;background:linear-gradient(red,blue);"
         "-webkit-background-clip:text'>gradient</h1>", ["gradient"], []),
        ("<section style='opacity:.5'><p>veiled</p></section>", ["veiled"], []),
        ("<main style='filter:invert(1)'><p>inverted</p></main>", ["inverted"], []),
        ("<section style='background:linear-gradient(red,blue)'><main style='mix-blend-mode:difference'><p>blended</p>"
         "</main></section>", ["blended"], []),
        ("<p style='opacity:0'>away</p><p>there</p>", ["there"], ["away", "there"]),
        ("<ul style='opacity:0'><li>away</ul><p>there</p>", ["there"], ["there"]),
        ("<form><input name=style><input name=querySelectorAll><p>form</p></form>", ["form"], ["form"]),
        ("<style>@keyframes in{from{opacity:0;color:red}}p{animation:in 5s}</style><p>late</p>", ["late"], ["late"]),
    ],
)  # fmt: skip
def test_what_is_seen(browser, body, fixed, paper):
    html = f"<!DOCTYPE html><html><body style='font:24px Arial'>{body}</body></html>"
    seen = look(browser, html)
    assert (texts(seen["fixed"]), texts(seen["paper"])) == (fixed, paper)


@pytest.mark.slow
def test_many_elements_take_several_passes(browser):
    cells = "".join(f"<i>m{index}</i> " for index in range(5000))
    html = f"<!DOCTYPE html><html><body style='font:bold 11px Arial'>{cells}</body></html>"
    seen = look(browser, html)
    assert texts(seen["fixed"]) == [f"m{index}" for index in range(5000)]
    assert texts(seen["paper"]) == []
    crowded = look(browser, html.replace("<i>", "<b>").replace("</i>", "</b>"))
    assert texts(crowded["fixed"]) == texts(seen["fixed"])
    assert isinstance(crowded["paper"], PageFailedError) and crowded["paper"].reason == "too_many_text_tags"
