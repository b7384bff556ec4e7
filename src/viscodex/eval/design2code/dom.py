"""Blocks from the page's own layout, without a picture: a quick approximation for filters and rewards.

Never for reported numbers: `sight` looks for the ink, which is where text really is and whether it can be seen; this
believes what the layout says (the boxes of lines, computed colours), so text under something else counts, too. A
quarter of the CPU; how far off it is stands in docs/performance.md (`benchmarks/dom_extractor.py`).
"""

from __future__ import annotations

from viscodex.core.errors import VisCodexError
from viscodex.eval.design2code.block import Block, without_equal_boxes
from viscodex.eval.design2code.drawing import LIMITS
from viscodex.eval.design2code.failure import PageFailedError
from viscodex.eval.design2code.merging import merge_search
from viscodex.eval.design2code.scores import compare
from viscodex.eval.design2code.similarity import Similarity
from viscodex.sandbox.browser import Browser
from viscodex.sandbox.pages import Page, TextBlock, View

VIEW = View(capture=False, text_blocks=True, limits=LIMITS)
INK_TOP, INK_HEIGHT = 0.2, 0.72
"""Where the ink of a line box begins, and how much of its height it takes, in multiples of the font size: the mean over
pages of Latin text. A box of several lines loses as much at its ends."""


def layout_blocks(browser: Browser, html: str) -> tuple[Block, ...]:
    """The blocks of a page as `fixed` would name them. Raises PageFailedError; VisCodexError when the browser fails."""
    page = browser.render(html, VIEW)
    if page.status == "crashed":
        raise VisCodexError(f"the browser failed on a page: {page.detail}", hint="viscodex doctor")
    if not page.ok:
        raise PageFailedError(page.status, page.detail)
    found = (_block(text, page) for text in page.text_blocks if text.visible and text.alpha > 0)
    return without_equal_boxes([block for block in found if block is not None])


def approximate(browser: Browser, answer: str, reference: tuple[Block, ...]) -> dict[str, float]:
    """block, text, position and color of an answer's page against a reference's layout blocks; 0 where it fails."""
    try:
        blocks = layout_blocks(browser, answer)
    except PageFailedError:
        blocks = ()
    similarity = Similarity()
    return compare(merge_search(blocks, reference, similarity), similarity).values


def _block(text: TextBlock, page: Page) -> Block | None:
    """None for what lies outside of the page."""
    trim = max(0.0, text.height - text.font_size * INK_HEIGHT) if text.height < 2 * text.font_size else 0.0
    top = text.y + trim * INK_TOP / (1 - INK_HEIGHT + INK_TOP)
    left, right = max(0.0, text.x), min(float(page.width), text.x + text.width)
    top, bottom = max(0.0, top), min(float(page.height), top + text.height - trim)
    if right <= left or bottom <= top:
        return None
    box = (left / page.width, top / page.height, (right - left) / page.width, (bottom - top) / page.height)
    red, green, blue = (float(int(value * text.alpha + 255 * (1 - text.alpha))) for value in text.color)
    return Block(text.text.lower(), box, (red, green, blue))
