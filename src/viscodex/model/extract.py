"""From a model's answer to the code in it. Pure text, never raising; what is taken depends on the kind of task.

html        the first block that holds a page (`<!DOCTYPE html>` or `<html`), or a page written without a fence;
            else the longest block of markup; else the markup in the text
chart       the longest Python block; else the longest untagged one; else the longest of any language;
algorithm   else the text from its first line of Python
qa          every block, in order, a blank line between; else the whole text

Reasoning (`<think>…</think>`) is not part of the answer. An unclosed fence (a cut answer) reaches to the end.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable

from viscodex.core.sample import Kind
from viscodex.model.fences import MARKUP, OUTPUT, PYTHON, SHELL, Block, Scanner, blocks, trimmed

PAGE = re.compile(r"<!doctype\s+html|<html[\s>]", re.IGNORECASE)
BARE_PAGE = re.compile(r"^\s*<html[\s>]|(?<!`)<!doctype\s+html", re.IGNORECASE)
END_OF_PAGE = re.compile(r"</html\s*>", re.IGNORECASE)
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
THINKING = re.compile(r"\s*<(?:think|thinking|reasoning)>", re.IGNORECASE)
END_OF_THINKING = re.compile(r"</(?:think|thinking|reasoning)>", re.IGNORECASE)
ORPHAN_END = re.compile(r"^[ \t]*" + END_OF_THINKING.pattern + r"[ \t]*$", re.IGNORECASE | re.MULTILINE)
STATEMENT = re.compile(
    r"import \w|from [\w.]+ import |def \w+\(|class \w+[:(]|@\w|print\(|if __name__|for \w{1,40}[^:]{0,80} in |#!"
    r"|(?:plt|ax|fig)\.\w|[A-Za-z_][\w.\[\]]*(?:, ?[A-Za-z_]\w*)* ?[-+*/]?=(?!=)"
)


def extract(answer: str, kind: Kind) -> str:
    """The code in an answer, without blank lines around it; "" when there is none."""
    text = without_reasoning(normalised(answer), kind)
    if kind == "html":
        return _page(text)
    if kind == "qa":
        return _joined(blocks(text)) or text.strip()
    return _program(text)


def extract_open(answer: str, kind: Kind) -> str:
    """The code in the lines of an answer that have come so far, as far as fences and pages tell; "" while unknown."""
    text = without_reasoning(normalised(answer), kind)
    if kind == "html":
        return first_page(text)
    found = blocks(text)
    return _joined(found) if kind == "qa" else _longest_program(found)


def normalised(answer: str) -> str:
    """Unix newlines, no byte-order mark."""
    return answer.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")


def without_reasoning(text: str, kind: Kind) -> str:
    """Drop leading reasoning: closed, cut off before its end, or begun in the prompt so that only its end is here.

    An end alone is believed where no page has begun before it: a page that was shown in a stream stays.
    """
    if THINKING.match(text):
        end = END_OF_THINKING.search(text)
        return text[end.end() :] if end else ""
    orphan = ORPHAN_END.search(text)
    if orphan is None or (kind == "html" and first_page(text[: orphan.start()])):
        return text
    return text[orphan.end() :]


def first_page(text: str) -> str:
    """The first page in a text, whole or as far as it has come; "" while there is none.

    With more lines at the end of `text` the result only grows: what streaming relies on.
    """
    scanner = Scanner()
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if scanner.open is None and (start := BARE_PAGE.search(line)):
            return _up_to_end(trimmed([line[start.start() :], *lines[index + 1 :]]))
        scanner.feed(line)
        if scanner.open is None and (page := _first_with_page(scanner.found[-2:])):
            return page
    return _first_with_page(scanner.found)


def _first_with_page(found: Iterable[Block]) -> str:
    for block in found:
        if (block.language in MARKUP or not block.language) and PAGE.search(block.text):
            return _up_to_end(block.text)
    return ""


def _up_to_end(page: str) -> str:
    """Without what follows the last `</html>`."""
    ends = list(END_OF_PAGE.finditer(page))
    return page[: ends[-1].end()] if ends else page


def _page(text: str) -> str:
    if page := first_page(text):
        return page
    found = blocks(text)
    with_page = [block for block in found if PAGE.search(block.text)]  # a page under another language's tag
    markup = [block for block in found if block.language in MARKUP]
    tagged = [block for block in found if TAG.search(block.text) and block.language not in PYTHON]
    if chosen := _longest(with_page) or _longest(markup) or _longest(tagged):
        return _up_to_end(chosen)
    tags = [] if found else list(TAG.finditer(text))
    return text[tags[0].start() : tags[-1].end()] if tags else ""


def _program(text: str) -> str:
    found = blocks(text)
    if not found:
        return _bare_program(text)
    plain = _longest_program(found)
    careful = _longest_program(blocks(text, strings=True))
    return careful if careful != plain and _parses(careful) else plain


def _longest_program(found: list[Block]) -> str:
    return (
        _longest(block for block in found if block.language in PYTHON)
        or _longest(block for block in found if not block.language)
        or _longest(block for block in found if block.language not in SHELL | OUTPUT)
    )


def _joined(found: Iterable[Block]) -> str:
    return "\n\n".join(filter(None, (block.text for block in found)))


def _longest(found: Iterable[Block]) -> str:
    return max((block.text for block in found), key=len, default="")


def _bare_program(text: str) -> str:
    """Python written without a fence: all of it, or from the first line that is a statement."""
    if _parses(text):
        return trimmed(text.split("\n"))
    lines = text.split("\n")
    first = next((index for index, line in enumerate(lines) if STATEMENT.match(line)), None)
    return "" if first is None else trimmed(lines[first:])


def _parses(text: str) -> bool:
    """Whether it is Python and more than a word: prose such as `Sorry` parses as a name."""
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call) for node in tree.body)
