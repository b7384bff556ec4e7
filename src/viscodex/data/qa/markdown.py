"""A post's HTML as Markdown: code to the byte, pictures as slots in reading order.

Code stands in fences at the left margin, also where the post has it in a list or a quotation: nothing is indented or
prefixed, so that every reader gets the same bytes (newlines as a browser reads them: CR and CR LF are LF). A fence is
longer than any run of backticks inside. Prose loses the white space that a browser does not show.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from viscodex.data.qa import language

DEEPEST = 100
LARGEST = 400_000
"""Characters of a body. Posts have 30,000 at most, which are 150,000 when each is an entity."""
SLOT = re.compile("\x00(\\d+)\x00")  # NUL cannot come from XML, nor from the HTML inside
PICTURE_NAME = re.compile(r"\.(?:png|jpe?g|gif|webp|bmp)$", re.IGNORECASE)
SPACE = re.compile(r"[ \t\n\r\f]+")
BLOCK_TAGS = """
address article aside blockquote body dd details div dl dt figure figcaption footer h1 h2 h3 h4 h5 h6 header hr li main
nav ol p pre section summary table tbody td tfoot th thead tr ul
"""
BLOCKS = frozenset(BLOCK_TAGS.split())
UNSEEN = frozenset({"head", "link", "meta", "noscript", "script", "style", "template", "title"})
WRAPPED = {"strong": "**", "b": "**", "em": "*", "i": "*", "del": "~~", "s": "~~", "strike": "~~"}


class UnreadableError(ValueError):
    """HTML that is not walked: `too_long`, `too_deep`."""


@dataclass(frozen=True)
class Code:
    """A block of code as it is, without the newline at its end; `language` as the post says it, else ""."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Picture:
    """A slot: where the picture may be found, the best address first."""

    urls: tuple[str, ...]
    alt: str = ""


@dataclass
class Document:
    """Markdown with slots, the same without its pictures, and what it holds: code blocks, pictures, prose alone."""

    text: str = ""
    text_alone: str = ""
    code: list[Code] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    prose: str = ""
    """No code, no links."""

    def parts(self) -> Iterator[str | Picture]:
        """Text and pictures in reading order; texts joined by something without white space are the Markdown."""
        texts = SLOT.split(self.text)
        for index, text in enumerate(texts):
            if index % 2:
                yield self.pictures[int(text)]
            elif text:
                yield text


@dataclass(frozen=True)
class _Block:
    text: str
    is_code: bool = False
    is_tight: bool = False
    """A list item that follows the one before it without a blank line."""


def to_markdown(html: str, tags: Sequence[str] = ()) -> Document:
    """Walk a post. UnreadableError."""
    from lxml import etree
    from lxml import html as lxml_html

    if len(html) > LARGEST:
        raise UnreadableError("too_long")
    text = html.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    parser = lxml_html.HTMLParser(encoding="utf-8", recover=True, huge_tree=False)
    try:
        root = lxml_html.document_fromstring(f"<html><body><div>{text}</div></body></html>".encode(), parser)
    except (etree.ParserError, etree.XMLSyntaxError, AssertionError) as error:
        raise UnreadableError("too_deep") from error
    if any("depth" in entry.message.lower() for entry in parser.error_log):
        raise UnreadableError("too_deep")
    return _Walker(tags).document(root.find("body"))


def fence(code: str) -> str:
    """Backticks that no run inside reaches."""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    return "`" * max(3, longest + 1)


class _Walker:
    def __init__(self, tags: Sequence[str]) -> None:
        self.tags = tags
        self.found = Document()
        self._prose: list[str] = []
        self._hint: str | None = None  # <!-- language: … --> before the next block
        self._hint_for_all: str | None = None
        self._links = 0
        self._quotes = 0

    def document(self, body: Any) -> Document:
        blocks = self._blocks(body, 0)
        self.found.text = _joined(blocks)
        self.found.text_alone = _joined(_without_pictures(blocks))
        self.found.prose = SPACE.sub(" ", " ".join(self._prose)).strip()
        return self.found

    # Blocks

    def _blocks(self, element: Any, depth: int) -> list[_Block]:
        """What stands in an element: its block children, and paragraphs of what stands between them."""
        if depth > DEEPEST:
            raise UnreadableError("too_deep")
        blocks: list[_Block] = []
        line: list[str] = [self._text(element.text)]

        def paragraph() -> None:
            if text := _lines("".join(line)):
                blocks.append(_Block(_guarded(text)))
            line.clear()

        for child in element:
            if not isinstance(child.tag, str):
                self._comment(child)
            elif child.tag in BLOCKS:
                paragraph()
                blocks += self._block(child, depth + 1)
            elif any(isinstance(inner.tag, str) and inner.tag in BLOCKS for inner in child.iter()):
                paragraph()  # <a><pre>…</pre></a>
                blocks += self._blocks(child, depth + 1)
            else:
                line.append(self._inline(child, depth + 1))
            line.append(self._text(child.tail))
        paragraph()
        return blocks

    def _block(self, element: Any, depth: int) -> list[_Block]:
        tag = element.tag
        if tag == "pre":
            return self._code(element, depth)
        if tag in ("ul", "ol"):
            return self._list(element, depth)
        if tag == "blockquote":
            self._quotes += 1
            inner = self._blocks(element, depth)
            self._quotes -= 1
            return [_prefixed(block, "> ", "> ") for block in inner]
        if tag == "table":
            return self._table(element, depth)
        if tag == "hr":
            return [_Block("---")]
        inner = self._blocks(element, depth)
        if re.fullmatch("h[1-6]", tag):
            mark = "#" * int(tag[1]) + " "
            return [block if block.is_code else _Block(mark + block.text.replace("\n", " ")) for block in inner]
        return inner

    def _code(self, element: Any, depth: int) -> list[_Block]:
        """Text alone is code; pictures that stand in it come after it."""
        text = _verbatim(element)
        children = [child for child in element if isinstance(child.tag, str)]
        classes = [element.get("class") or "", *(child.get("class") or "" for child in children if child.tag == "code")]
        said = next((found for name in classes if (found := language.of_class(name)) is not None), None)
        said = said if said is not None else self._hint if self._hint is not None else self._hint_for_all
        self._hint = None
        code = text.removesuffix("\n")
        name = said if said is not None else "" if self._quotes else language.of_tags(self.tags, code)
        self.found.code.append(Code(code, name))
        marks = fence(code)
        slots = "\n".join(self._picture(image, ()) for image in element.iter("img"))
        block = _Block(f"{marks}{name}\n{code}\n{marks}", is_code=True)
        return [block, _Block(slots)] if slots else [block]

    def _list(self, element: Any, depth: int) -> list[_Block]:
        blocks: list[_Block] = []
        indent = ""
        start = element.get("start") or ""
        number = int(start) if re.fullmatch(r"\d{1,9}", start) else 1
        for item in element:
            if not isinstance(item.tag, str):
                continue
            mark = f"{number}. " if element.tag == "ol" else "- "
            inner = self._blocks(item, depth + 1) or [_Block("")]
            if inner[0].is_code:
                inner.insert(0, _Block(""))
            follows = bool(blocks) and bool(indent)  # a number may begin a list, but not break into a paragraph
            indent = " " * len(mark)
            for index, block in enumerate(inner):
                tight = follows if index == 0 else block.is_tight
                blocks.append(_prefixed(block, indent if index else mark, indent, tight))
                indent = "" if block.is_code else indent  # a block at the margin has ended the list
            number += 1
        return blocks

    def _table(self, element: Any, depth: int) -> list[_Block]:
        rows, code = [], []
        for row in element.iter("tr"):
            if next(row.iterancestors("table")) is not element:
                continue  # of a table in a cell, which the cell holds
            cells = []
            for cell in row:
                if isinstance(cell.tag, str):
                    inner = self._blocks(cell, depth + 1)
                    code += [block for block in inner if block.is_code]
                    prose = " ".join(block.text for block in inner if not block.is_code)
                    cells.append(prose.replace("\n", " ").replace("|", "\\|"))
            rows.append(cells)
        if not any(rows):
            return code
        width = max(map(len, rows))
        lines = [f"| {' | '.join(cells + [''] * (width - len(cells)))} |" for cells in rows]
        return [_Block("\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])), *code]

    # Lines

    def _inline(self, element: Any, depth: int) -> str:
        if depth > DEEPEST:
            raise UnreadableError("too_deep")
        tag = element.tag
        if tag in UNSEEN:
            return ""
        if tag == "br":
            return "\n"
        if tag == "img":
            return self._picture(element, ())
        if tag in ("code", "tt", "samp"):
            return self._span(element)
        if tag == "a":
            return self._link(element, depth)
        inner = self._inside(element, depth)
        mark = WRAPPED.get(tag, "")
        stripped = inner.strip()
        if not mark or not stripped or SLOT.fullmatch(stripped):
            return inner
        before, after = inner[: len(inner) - len(inner.lstrip())], inner[len(inner.rstrip()) :]
        return f"{before}{mark}{stripped}{mark}{after}"

    def _inside(self, element: Any, depth: int) -> str:
        parts = [self._text(element.text)]
        for child in element:
            if isinstance(child.tag, str):
                parts.append(self._inline(child, depth + 1))
            parts.append(self._text(child.tail))
        return "".join(parts)

    def _span(self, element: Any) -> str:
        """Code inside a line. A browser shows a newline in it as a space, and so does Markdown."""
        code = _verbatim(element).replace("\n", " ")
        pictures = "".join(self._picture(image, ()) for image in element.iter("img"))
        if not code.strip():
            return code + pictures
        longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
        marks = "`" * (1 if longest == 0 else longest + 1)
        pad = " " if code.startswith(("`", " ")) or code.endswith(("`", " ")) else ""
        return f"{marks}{pad}{code}{pad}{marks}{pictures}"

    def _link(self, element: Any, depth: int) -> str:
        href = (element.get("href") or "").strip()
        images = list(element.iter("img"))
        if images:  # a thumbnail, and what it shows small
            target = (href,) if PICTURE_NAME.search(_path(href)) else ()
            slots = [self._picture(image, target if len(images) == 1 else ()) for image in images]
            self._links += 1
            text = self._inside_without_pictures(element, depth)
            self._links -= 1
            return " ".join([*slots, text.strip()]).strip()
        self._links += 1
        inner = self._inside(element, depth)
        self._links -= 1
        text = SPACE.sub(" ", inner).strip()
        if not href or not text or not _is_web(href):
            return inner
        return (
            href
            if text == href
            else f"[{text}]({href})"
            if re.fullmatch(r"[^\s()<>]+", href)
            else f"[{text}](<{href}>)"
        )

    def _inside_without_pictures(self, element: Any, depth: int) -> str:
        before = len(self.found.pictures)
        text = SLOT.sub("", self._inside(element, depth))
        del self.found.pictures[before:]
        return text

    def _picture(self, image: Any, better: tuple[str, ...]) -> str:
        urls = tuple(dict.fromkeys(_absolute(url) for url in (*better, (image.get("src") or "").strip()) if url))
        self.found.pictures.append(Picture(urls, SPACE.sub(" ", image.get("alt") or "").strip()))
        return f"\x00{len(self.found.pictures) - 1}\x00"

    def _text(self, text: str | None) -> str:
        if not text:
            return ""
        if not self._links:
            self._prose.append(text)
        return SPACE.sub(" ", text)

    def _comment(self, node: Any) -> None:
        text = node.text if isinstance(node.text, str) else ""
        if (found := language.of_comment(text)) is None:
            return
        if text.strip().startswith("language-all"):
            self._hint_for_all = found
        else:
            self._hint = found


def _verbatim(element: Any) -> str:
    """All text in an element as it is; `<br>` is a newline, comments are nothing."""
    parts = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str):
            parts.append("\n" if child.tag == "br" else _verbatim(child))
        parts.append(child.tail or "")
    return "".join(parts)


def _joined(blocks: Sequence[_Block]) -> str:
    text = ""
    for block in blocks:
        text += ("\n" if block.is_tight else "\n\n") * bool(text) + block.text
    return text


def _without_pictures(blocks: Sequence[_Block]) -> list[_Block]:
    """Code has none, and keeps its blank lines; a line of prose that was pictures alone goes with them."""
    kept: list[_Block] = []
    is_tight = True
    for block in blocks:
        text = block.text if block.is_code else _line_by_line(block.text)
        is_tight = is_tight and block.is_tight
        if text:
            kept.append(_Block(text, block.is_code, is_tight))
            is_tight = True
    return kept


def _line_by_line(text: str) -> str:
    lines = [(line, re.sub(f"[ \\t]*{SLOT.pattern}", "", line)) for line in text.split("\n")]
    return "\n".join(bare for line, bare in lines if bare == line or bare.strip(" >-"))


def _prefixed(block: _Block, first: str, rest: str, tight: bool = False) -> _Block:
    if block.is_code:
        return block
    lines = block.text.split("\n")
    text = "\n".join(((first if index == 0 else rest) + line).rstrip() for index, line in enumerate(lines))
    return _Block(text, is_tight=tight or block.is_tight)


def _lines(text: str) -> str:
    """Without white space at the ends of lines, without empty lines."""
    lines = (re.sub(" {2,}", " ", line).strip() if "`" not in line else line.strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _guarded(text: str) -> str:
    """Prose that would begin a fence or a block of HTML gets a backslash: it must not swallow the code after it."""
    return re.sub(r"^(?=```(?!.*`)|~~~|<[A-Za-z/!?])", r"\\", text, flags=re.MULTILINE)


def _is_web(href: str) -> bool:
    return href.startswith(("http://", "https://", "//"))


def _absolute(url: str) -> str:
    return f"https:{url}" if url.startswith("//") else url


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
