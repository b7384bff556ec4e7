"""What the published scorer makes of a prediction before it looks at it: only `paper` does any of this."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from bs4 import BeautifulSoup, Tag
from bs4.element import PageElement
from bs4.exceptions import ParserRejectedMarkup

from viscodex.eval.design2code.failure import REJECTED, PageFailedError
from viscodex.eval.design2code.repetition import cut_repetition

HTML = re.compile(r"<html[^>]*>", re.IGNORECASE)
MOST = 50
"""Of identical elements; more are deleted."""


@dataclass(frozen=True)
class Prepared:
    """A page after preparation. `is_same_text`: nothing was cut or wrapped, the page was only parsed and written."""

    html: str
    length_before: int
    length_cut: int
    """Characters that the repetition cut left."""
    is_same_text: bool


def prepare(content: str) -> Prepared:
    """Cut repetition, wrap what is no page, delete elements that come again and again; parsed by html.parser."""
    kept = cut_repetition(content)
    page = kept if HTML.search(kept) else f"<html><body><p>{kept}</p></body></html>"
    soup = parsed(page)
    surplus = surplus_elements(soup)
    for element in surplus:
        element.extract()
    return Prepared(str(soup), len(content), len(kept), page == content and not surplus)


def parsed(html: str) -> BeautifulSoup:
    """The page as Python's own parser sees it: every tag as it is written, none implied, none closed.

    Raises PageFailedError for what it refuses, such as an unfinished `<![`.
    """
    try:
        return BeautifulSoup(html, "html.parser")
    except ParserRejectedMarkup as error:
        raise PageFailedError(REJECTED, "html.parser does not read it") from error


def surplus_elements(soup: BeautifulSoup) -> list[Tag]:
    """Elements from the 51st on that are written the same, in document order."""
    kinds = _kinds(soup)
    seen: Counter[int] = Counter()
    found = []
    for element in soup.find_all(True):
        kind = kinds[id(element)]
        seen[kind] += 1
        if seen[kind] > MOST:
            found.append(element)
    return found


def _kinds(soup: BeautifulSoup) -> dict[int, int]:
    """Element (by id) → a number that is equal where elements are written equally.

    From the leaves up, each node once: writing every element would take a deeply nested page squared.
    """
    numbers: dict[object, int] = {}
    kinds: dict[int, int] = {}
    for element in reversed(soup.find_all(True)):
        inside = tuple(_kind(child, kinds) for child in element.contents)
        whole = (element.name, tuple((name, str(value)) for name, value in element.attrs.items()), inside)
        kinds[id(element)] = numbers.setdefault(whole, len(numbers))
    return kinds


def _kind(node: PageElement, kinds: dict[int, int]) -> object:
    return kinds[id(node)] if isinstance(node, Tag) else (type(node).__name__, str(node))
