"""A page as each protocol sees it: its picture and its blocks. One load of the page serves both where it can."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec

from viscodex.eval.benchmark import Rules
from viscodex.eval.design2code import drawing, palette
from viscodex.eval.design2code.block import Block, without_equal_boxes
from viscodex.eval.design2code.drawing import Paint
from viscodex.eval.design2code.failure import PageFailedError
from viscodex.eval.design2code.pixels import Painted, decode, find_blocks
from viscodex.eval.design2code.published import parsed
from viscodex.eval.design2code.source_text import TextNode, numbered_copy, read_source, recoloured_copy
from viscodex.sandbox.browser import Browser
from viscodex.sandbox.pages import Page

MOST_PARTS = 8
"""Times 4,096 text elements: a page with more fails under `fixed`."""
P = ParamSpec("P")
OWNERS = Paint(owners=True)


@dataclass(frozen=True)
class Sight:
    """What was seen of a page: its picture as PNG, and its blocks, those with equal boxes merged."""

    png: bytes
    blocks: tuple[Block, ...]
    found: int
    """Blocks before equal boxes were merged."""


Seen = Mapping[Rules, Sight | PageFailedError]


def look(browser: Browser, html: str, published: str | None = None) -> Seen:
    """Look at a page under both protocols; under `paper` it is `published` that is shown, the same page written anew.

    Raises VisCodexError when the browser fails; what the pages do is in the result.
    """
    shown = html if published is None else published
    try:
        soup = parsed(shown)
        source = read_source(soup)
    except PageFailedError as failure:
        return {"fixed": attempt(look_fixed, browser, html), "paper": failure}
    is_written_so = shown == html or str(soup) == shown
    owners = Paint(owners=True, written=(html, numbered_copy(soup)) if is_written_so else None)
    try:
        page = drawing.draw(browser, html, [owners, Paint(owners=False, if_another=True)])
    except PageFailedError as failure:
        return {"fixed": failure, "paper": failure}
    value = drawing.value_of(page, 0)
    painted = _painted(page, 0)
    fixed = attempt(_fixed, browser, html, page, painted)
    if not value["isNumbered"]:
        return {"fixed": fixed, "paper": attempt(look_published, browser, shown)}
    if not value["isPlain"]:
        painted = _painted(page, 1)
    return {"fixed": fixed, "paper": _sight(page.png, find_blocks(painted, source.nodes))}


def attempt(look_at: Callable[P, Sight], *args: P.args, **kwargs: P.kwargs) -> Sight | PageFailedError:
    """What was seen, or how the page failed."""
    try:
        return look_at(*args, **kwargs)
    except PageFailedError as failure:
        return failure


def look_fixed(browser: Browser, html: str) -> Sight:
    """`fixed` alone. Raises PageFailedError."""
    page = drawing.draw(browser, html, [OWNERS])
    return _fixed(browser, html, page, _painted(page, 0))


def look_published(browser: Browser, html: str) -> Sight:
    """`paper` alone: the live page is painted where its elements can be numbered, else copies are written.

    Raises PageFailedError.
    """
    soup = parsed(html)
    source = read_source(soup)
    page = drawing.draw(browser, html, [Paint(owners=False, written=(html, numbered_copy(soup)))])
    value = drawing.value_of(page, 0)
    if value["isNumbered"]:
        return _sight(page.png, find_blocks(_painted(page, 0), source.nodes))
    first = drawing.draw(browser, recoloured_copy(soup, second=False))
    second = drawing.draw(browser, recoloured_copy(parsed(html), second=True))
    painted = Painted(decode(page.png), decode(first.png), decode(second.png))
    return _sight(page.png, find_blocks(painted, source.nodes))


def _fixed(browser: Browser, html: str, page: Page, painted: Painted) -> Sight:
    """Blocks of the first paint of a page, and of another load where its elements are more than the colours."""
    value = drawing.value_of(page, 0)
    parts = math.ceil(value["painted"] / palette.SIZE)
    if parts > MOST_PARTS:
        raise PageFailedError("too_many_elements", f"{value['painted']} text elements")
    found = _owned(painted, value, 0)
    if parts > 1:
        more = [Paint(owners=True, part=part) for part in range(1, parts)]
        again = drawing.draw(browser, html, more, capture=False)
        for index, paint in enumerate(more):
            copies = (decode(capture.png) for capture in again.captures[2 * index : 2 * index + 2])
            found |= _owned(Painted(painted.original, *copies), drawing.value_of(again, index), paint.part)
    return _sight(page.png, [found[number] for number in sorted(found)])


def _owned(painted: Painted, value: Mapping[str, Any], part: int) -> dict[int, Block | None]:
    """Text number → block, of the texts whose owners are painted in this part."""
    nodes = {
        number: TextNode(text.strip(), palette.color_of(owner % palette.SIZE))
        for number, (text, owner) in enumerate(value["texts"])
        if owner >= 0 and owner // palette.SIZE == part and text.strip()
    }
    return dict(zip(nodes, find_blocks(painted, list(nodes.values())), strict=True))


def _painted(page: Page, paint: int) -> Painted:
    """The page and the two copies of a paint. The page last: it is looked at again when scores are drawn."""
    first, second = (decode(capture.png) for capture in page.captures[2 * paint : 2 * paint + 2])
    return Painted(decode(page.png), first, second)


def _sight(png: bytes, found: Sequence[Block | None]) -> Sight:
    blocks = [block for block in found if block is not None]
    return Sight(png, without_equal_boxes(blocks), len(blocks))
