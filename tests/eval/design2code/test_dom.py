"""Blocks by layout: near what is seen on ordinary pages, and of the same laws."""

from __future__ import annotations

import pytest

from viscodex.eval.design2code.answer import fenced, reference_page
from viscodex.eval.design2code.dom import approximate, layout_blocks
from viscodex.eval.design2code.load import load
from viscodex.sandbox.browser import Browser

from .conftest import LOW

ONE, NOTHING = dict.fromkeys(LOW, 1.0), dict.fromkeys(LOW, 0.0)


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


def test_a_page_against_itself_is_one_and_nothing_is_zero(browser):
    page = reference_page(load().samples[0])
    known = layout_blocks(browser, page)
    assert approximate(browser, page, known) == pytest.approx(ONE, abs=1e-12)
    assert approximate(browser, "<p>", known) == NOTHING
    assert approximate(browser, "<html><body style='height:60000px'>x</body></html>", known) == NOTHING  # too large


@pytest.mark.slow
def test_it_is_near_what_is_seen(browser, score):
    pages = [reference_page(sample) for sample in load().samples[:4]]
    for page, other in zip(pages, pages[1:] + pages[:1], strict=True):
        for answer in (other, page.replace("e", "E", 20)):
            seen = score(fenced(answer), page).scores[0].values
            found = approximate(browser, answer, layout_blocks(browser, page))
            assert {name: found[name] - seen[name] for name in LOW} == pytest.approx(NOTHING, abs=0.06)


def test_what_cannot_be_seen_is_no_block(browser):
    hidden = "<p>seen</p><p style='visibility:hidden'>a</p><p style='opacity:0'>b</p><p style='display:none'>c</p>"
    off = "<p style='position:absolute;left:-900px'>off</p>"
    (block,) = layout_blocks(browser, f"<body style='color:rgba(255,0,0,.5)'>{hidden}{off}</body>")
    assert (block.text, block.color) == ("seen", (255.0, 127.0, 127.0))
