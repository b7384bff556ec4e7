"""The values of one large JSON array, or of JSON lines, one after the other, over whatever is broken between them.

Python's own decoder on a window of the file. What one value does wrong costs that value alone, and its place is known.
yajl (ijson) parses twice as fast, but the file ends for it at a bad byte, a NaN or half a surrogate pair, as models
write them, and it puts "?" for the other half; parsing is a tenth of an import.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

BLOCK = 1 << 20
LONGEST = 32 << 20  # characters of one value; more is taken for a string that nobody closed
SLACK = 16  # an error so near to the window's end may be for want of what follows
BETWEEN = re.compile(r"[\s,\ufeff]*")
NEXT = re.compile(r'\}\s*,\s*(?=\{\s*"(?:images|messages|category|id)")|\n(?=\{)')
"""Where a record of ours begins anew after something broken: behind another, or at a line's start."""


class Broken(NamedTuple):
    """Bytes `begin` to `end` are no JSON."""

    begin: int
    end: int
    reason: str


def read_values(file: BinaryIO, advance: Callable[[int], None] | None = None) -> Iterator[Any]:
    """Each value, or a `Broken`. An array's brackets are passed over, and may be missing. Bad bytes become lone
    surrogates (`surrogateescape`), which no sound text holds."""
    window = _Window(file, advance)
    is_array = window.peek() == "["
    if is_array:
        window.place += 1
    value: Any = None
    while window.peek():
        if is_array and window.text[window.place] == "]":
            window.place += 1
            is_array = False  # what follows is none of it, and is told of
            continue
        value = window.take()
        yield value
    if is_array and not isinstance(value, Broken):  # else that is said already
        yield Broken(window.byte(), window.byte(), "the array is not closed")


class _Window:
    """A part of the file as text, from `place` on not yet read."""

    def __init__(self, file: BinaryIO, advance: Callable[[int], None] | None) -> None:
        self.file = file
        self.advance = advance
        self.text = ""
        self.place = 0
        self.is_whole = False
        self._before = 0  # bytes of the file before the window
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._parse = json.JSONDecoder().raw_decode

    def peek(self) -> str:
        """The next character that is neither space nor comma; "" at the end."""
        while True:
            self.place = _end(BETWEEN.match(self.text, self.place), self.place)
            if self.place < len(self.text) or not self.more():
                return self.text[self.place : self.place + 1]

    def take(self) -> Any:
        """The value that begins here, or what is broken up to the next."""
        while True:
            try:
                value, end = self._parse(self.text, self.place)
            except json.JSONDecodeError as error:
                may_be_short = error.pos >= len(self.text) - SLACK or error.msg.startswith("Unterminated")
                if may_be_short and len(self.text) - self.place < LONGEST and self.more():
                    continue
                return self._skip(error.msg)
            except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 100,000 brackets
                return self._skip(str(error))
            if isinstance(value, int | float) and end >= len(self.text) - SLACK and not self.is_whole:
                self.more()
                continue  # the window may end inside a number
            self.place = end
            return value

    def more(self) -> bool:
        """Read on; what was done with leaves the window."""
        if self.is_whole:
            return False
        data = self.file.read(max(BLOCK, len(self.text) - self.place))
        self.is_whole = not data
        if self.advance and data:
            self.advance(len(data))
        self._before += _bytes(self.text[: self.place])
        self.text = self.text[self.place :] + self._decode(data, self.is_whole)
        self.place = 0
        return not self.is_whole

    def byte(self) -> int:
        """How many bytes of the file are before `place`."""
        return self._before + _bytes(self.text[: self.place])

    def _skip(self, reason: str) -> Broken:
        begin = self.byte()
        self.place += 1
        while not (found := NEXT.search(self.text, self.place)):
            self.place = max(len(self.text) - 4 * SLACK, self.place)  # a mark may be cut by the window's end
            if not self.more():
                self.place = len(self.text)
                return Broken(begin, self.byte(), reason)
        self.place = found.end()
        return Broken(begin, self.byte(), reason)


def _end(match: re.Match[str] | None, otherwise: int) -> int:
    return match.end() if match else otherwise


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))
