"""Markdown code fences as models really write them: any tag, glued, nested, unclosed. A line scanner, never failing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

PYTHON = frozenset({"python", "py", "python3", "python2", "py3", "ipython", "ipython3", "cpython"})
MARKUP = frozenset({"html", "htm", "html5", "xhtml", "xml", "svg", "vue", "jinja", "jinja2", "django", "erb", "php"})
TRANSPARENT = frozenset({"markdown", "md", "mdx"})  # a fence around the whole answer; what counts is inside it

SHELL = frozenset({"bash", "sh", "shell", "zsh", "console", "powershell", "cmd", "bat", "terminal"})
OUTPUT = frozenset({"text", "txt", "plaintext", "plain", "output", "none", "log", "diff", "csv"})
OTHER = frozenset({"css", "js", "javascript", "ts", "typescript", "json", "yaml", "c", "cpp", "c++", "java", "go", "r"})
KNOWN = PYTHON | MARKUP | TRANSPARENT | SHELL | OUTPUT | OTHER

# Possessive runs and lookbehinds: a line of twenty thousand backticks takes linear time.
OPENING = re.compile(r"^(?P<before>.*?)(?P<fence>(?<!`)`{3,}+|(?<!~)~{3,}+)[ \t]*+(?P<info>[^`]*)$")
LANGUAGE = re.compile(r"[A-Za-z0-9_+#-]+")
TRIPLE_QUOTES = re.compile(r'"""|\'\'\'')


@dataclass
class Block:
    """A fenced block: its language in lower case ("" when untagged), its lines, and whether its fence was closed."""

    language: str
    lines: list[str] = field(default_factory=list)
    is_closed: bool = False
    _quotes: int = 0
    _has_page: bool = False
    _has_end_of_page: bool = False

    def add(self, line: str) -> None:
        """One more line, and what it means for the block: fences in it must not read it all again and again."""
        self.lines.append(line)
        lower = line.lower()
        self._quotes += len(TRIPLE_QUOTES.findall(line))
        self._has_page |= "<html" in lower
        self._has_end_of_page |= "</html>" in lower

    @property
    def is_in_string(self) -> bool:
        """Whether a triple-quoted Python string is open."""
        return self.language in PYTHON and self._quotes % 2 == 1

    @property
    def is_in_page(self) -> bool:
        """Whether a page has begun and not ended."""
        return self._has_page and not self._has_end_of_page

    @property
    def text(self) -> str:
        """The code without blank lines around it."""
        return trimmed(self.lines)


def blocks(text: str, *, strings: bool = False) -> list[Block]:
    """Every fenced block, in order; the last may be unclosed. With `strings`, see `Scanner`."""
    scanner = Scanner(strings=strings)
    for line in text.split("\n"):
        scanner.feed(line)
    return scanner.found


def trimmed(lines: Iterable[str]) -> str:
    """Lines as text, without blank lines at either end."""
    kept = list(lines)
    while kept and not kept[0].strip():
        kept.pop(0)
    while kept and not kept[-1].strip():
        kept.pop()
    return "\n".join(kept).rstrip()


class Scanner:
    """Takes an answer line by line; `found` grows, `open` is the block being read.

    With `strings`, fences inside a triple-quoted Python string belong to the code. That counts quotes, and one in a
    comment is enough to mislead it: check that the result parses.
    """

    def __init__(self, *, strings: bool = False) -> None:
        self.found: list[Block] = []
        self.open: Block | None = None
        self._strings = strings
        self._fence = ""
        self._indent = 0
        self._depth = 0

    def feed(self, line: str) -> None:
        if self.open is None:
            self._outside(line)
        else:
            self._inside(self.open, line)

    def _outside(self, line: str) -> None:
        match = OPENING.match(line)
        if match is None or not _opens(match):
            return
        language, rest = _split_info(match["info"])
        if language in TRANSPARENT and not rest:
            return
        before = match["before"]
        self.open = Block(language)
        self.found.append(self.open)
        self._fence, self._depth = match["fence"], 0
        self._indent = 0 if before.strip() else len(before)
        if rest:
            self.feed(rest)

    def _inside(self, block: Block, line: str) -> None:
        stripped = line.strip()
        mark, length = self._fence[0], len(self._fence)
        run = len(stripped) - len(stripped.lstrip(mark))
        if run >= length and not (self._strings and block.is_in_string):
            info = stripped[run:].strip()
            word = info.partition(" ")[0]
            if not info:
                self._close_one(block, line)
            elif word == info or word.lower() in KNOWN:
                self._open_another(block, line)
            else:  # "``` And this is how it works"
                self._close(block)
        elif run < length and _glued_close(stripped, mark * length) and not self._depth:
            block.add(self._dedent(line.rstrip().rstrip(mark)))
            self._close(block)
        else:
            block.add(self._dedent(line))

    def _close_one(self, block: Block, line: str) -> None:
        if self._depth:
            self._depth -= 1
            block.add(self._dedent(line))
        else:
            self._close(block)

    def _open_another(self, block: Block, line: str) -> None:
        """A tagged fence inside a block: shown by the page that is being written, or else the next block."""
        if block.is_in_page:
            self._depth += 1
            block.add(self._dedent(line))
        else:
            self.open = None
            self._outside(line)

    def _close(self, block: Block) -> None:
        block.is_closed = True
        self.open = None

    def _dedent(self, line: str) -> str:
        """Without the indentation of the fence itself (a block in a list)."""
        blank = len(line) - len(line.lstrip(" "))
        return line[min(blank, self._indent) :]


def _opens(match: re.Match[str]) -> bool:
    before, info = match["before"], match["info"]
    if not before.strip(" \t>*-+0123456789."):
        return True
    if match["fence"][0] == "~" or "`" in before:
        return False
    return not info or LANGUAGE.fullmatch(info.strip()) is not None  # "Here it is: ```python"


def _split_info(info: str) -> tuple[str, str]:
    """Language and code glued behind it: `html<!DOCTYPE html>` → ("html", "<!DOCTYPE html>")."""
    tag, glued, rest = info.partition("<")
    match = LANGUAGE.search(tag)
    language = match.group().lower().lstrip("-") if match else ""
    return language.removeprefix("language-"), glued + rest


def _glued_close(stripped: str, fence: str) -> bool:
    """`</html>```` : the closing fence at the end of the last line of code."""
    if not stripped.endswith(fence) or stripped.startswith(fence[0]):
        return False
    code = stripped.rstrip(fence[0])
    return fence[0] not in code and not code.endswith(('"', "'", "(", "="))
