"""The texts of a page and the colours they are looked for in, as the published scorer reads them from the source.

It recolours a copy of the page parsed by html.parser, and takes a text's colour from the nearest element around it
with a colour of its own: a text in `<strong>` is sought in the colour of the paragraph around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bs4 import BeautifulSoup, Tag
from bs4.element import Comment, NavigableString

from viscodex.eval.design2code import palette
from viscodex.eval.design2code.failure import TOO_MANY, PageFailedError
from viscodex.eval.design2code.palette import RGB

TEXT_TAGS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "div", "span", "a", "b", "li", "table", "td", "th", "button"}
    | {"footer", "header", "figcaption"}
)
UNSEEN = frozenset({"script", "style", "noscript", "template", "iframe", "noembed", "noframes", "title"})
"""Elements whose text is never shown."""
NUMBER = "viscodex-number"
"""Attribute of the numbered copy."""
BLACK: RGB = (0, 0, 0)
CLEAR = "rgba(255,255,255,0.0) !important"


@dataclass(frozen=True)
class TextNode:
    """A text, stripped, and the colour it is painted in."""

    text: str
    color: RGB


@dataclass(frozen=True)
class SourceText:
    """What the source says of a page: its text nodes in order."""

    nodes: tuple[TextNode, ...]
    is_plain: bool
    """Every text lies directly in one of TEXT_TAGS: both protocols then probably paint the same elements."""


def read_source(soup: BeautifulSoup) -> SourceText:
    """Read a parsed page. Raises PageFailedError for more text elements than colours."""
    recoloured = dict(_recoloured(soup))
    colors: dict[int, RGB] = {}
    for element in soup.find_all(True):  # parents come before their children
        above = colors.get(id(element.parent), BLACK)
        colors[id(element)] = recoloured.get(id(element)) or _own_color(element) or above
    texts = list(_texts(soup))
    nodes = tuple(TextNode(str(text).strip(), colors.get(id(text.parent), BLACK)) for text in texts)
    is_plain = all(text.parent is not None and text.parent.name in TEXT_TAGS | UNSEEN for text in texts)
    return SourceText(nodes, is_plain)


def recoloured_copy(soup: BeautifulSoup, *, second: bool) -> str:
    """The page as the published scorer writes it before its screenshots. Changes `soup`."""
    colors = dict(_recoloured(soup))
    for element in soup.find_all(True):
        kept = [entry for entry in _declarations(element) if not entry.startswith("background-color")]
        kept.append(f"background-color: {CLEAR}")
        if color := colors.get(id(element)):
            kept = [entry for entry in kept if not entry.startswith(("color", "opacity"))]
            painted = palette.written(palette.shifted(color) if second else color)
            kept += [f"color: {painted} !important", "opacity: 1.0 !important"]
        element["style"] = "; ".join(kept)
    return str(soup)


def numbered_copy(soup: BeautifulSoup) -> str:
    """The page with every text element's number in an attribute, in the order of the first copy's colours."""
    elements = soup.find_all(lambda element: element.name in TEXT_TAGS)
    for index, element in enumerate(elements):
        element[NUMBER] = str(index)
    written = str(soup)
    for element in elements:
        del element[NUMBER]
    return written


def _recoloured(soup: BeautifulSoup) -> Iterator[tuple[int, RGB]]:
    """Text elements (by id) with the colours of the first copy, in document order."""
    elements = soup.find_all(lambda element: element.name in TEXT_TAGS)
    if len(elements) > palette.SIZE:
        raise PageFailedError(TOO_MANY, f"{len(elements)} text elements, and {palette.SIZE} colours")
    for index, element in enumerate(elements):
        yield id(element), palette.color_of(index)


def _texts(soup: BeautifulSoup) -> Iterator[NavigableString]:
    """Every string below the body that is not blank and no comment: the text of scripts is among them."""
    for node in soup.body.descendants if soup.body else ():
        if isinstance(node, NavigableString) and not isinstance(node, Comment) and node.strip():
            yield node


def _own_color(element: Tag) -> RGB | None:
    """The last inline declaration about a colour that is not the background's, if it can be read."""
    about = [entry for entry in _declarations(element) if "color" in entry and "background-color" not in entry]
    return palette.read_color(about[-1].partition(":")[2]) if about else None


def _declarations(element: Tag) -> list[str]:
    style = element.get("style")
    return [entry.strip() for entry in str(style or "").split(";") if entry.strip()]
