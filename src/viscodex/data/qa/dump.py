"""The questions of a dump with their accepted answers, streamed: bytes are looked at per line, only hits are parsed.

Answers follow their questions in every dump (by id), so one reading pairs them: a question that is wanted waits in a
spool file, its answer's id in a table. A second reading is made only where an answer can stand before its question:
merged questions have such answers, and files that are not sorted. Memory: about 100 bytes for each question that
waits or waited.
"""

from __future__ import annotations

import pickle
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from viscodex.data.qa.post import MalformedError, Post, read_post
from viscodex.data.qa.stream import open_stream

LONGEST = 4 << 20
"""Bytes of a line. Posts have 30,000 characters at most, which is far below it with every character as an entity."""
HEAD = re.compile(rb'  <row Id="(\d{1,12})" PostTypeId="(\d+)" ').match
ENDS = (b"/>\n", b"/>\r\n")
PICTURE = b"&lt;img"
FURNITURE = (b"<?xml", b"<posts", b"</posts", b"<!--")
SHOWN = 120


@dataclass(frozen=True)
class Pair:
    """A question and its accepted answer."""

    question: Post
    answer: Post


@dataclass(frozen=True)
class Unpaired:
    """A question (its id) that gets no answer, and why: `no_accepted_answer`, `low_score`, `answer_missing`, …"""

    question: int
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Malformed:
    """A line that is no row, or a row that cannot be read."""

    line: int
    detail: str


Found = Pair | Unpaired | Malformed


@dataclass(frozen=True)
class Wanted:
    """What a question must have, beside a picture and an accepted answer. Its bytes are asked, before it is parsed."""

    least_score: int = 1
    least_views: int = 0

    def refusal(self, line: bytes) -> tuple[str, str] | None:
        """(reason, detail) of a question that is not wanted."""
        if not _number(line, b' AcceptedAnswerId="'):
            return "no_accepted_answer", ""
        if (score := _number(line, b' Score="')) < self.least_score:
            return "low_score", f"the question has {score}"
        if (views := _number(line, b' ViewCount="')) < self.least_views:
            return "few_views", f"{views}"
        return None


@dataclass
class Counts:
    """What a dump held, the posts that nobody asked for included."""

    questions: int = 0
    questions_with_pictures: int = 0
    answers: int = 0
    other_posts: int = 0
    malformed: int = 0
    readings: int = 0


@dataclass
class Dump:
    """A dump to be read once."""

    path: Path
    wanted: Wanted = Wanted()
    counts: Counts = field(default_factory=Counts)
    _places: dict[int, int] = field(default_factory=dict)
    """Answer → where its question stands in the spool."""
    _questions: set[int] = field(default_factory=set)
    _has_earlier: bool = False
    """Whether an awaited answer may stand before its question."""

    def pairs(self) -> Iterator[Found]:
        """In the order of the file, by answer; then the questions whose answer is not there."""
        with tempfile.TemporaryFile() as spool:
            yield from self._first_reading(spool)
            if self._places and self._has_earlier:
                yield from self._second_reading(spool)
            for answer, place in sorted(self._places.items()):
                question = _fetch(spool, place).id
                yield Unpaired(question, "answer_missing", f"the accepted answer {answer} is not in the dump")

    def _first_reading(self, spool: BinaryIO) -> Iterator[Found]:
        counts, places, last = self.counts, self._places, 0
        long = _LongLines()
        counts.readings += 1
        with open_stream(self.path) as stream:
            for number, line in enumerate(iter(partial(stream.readline, LONGEST), b""), 1):
                if (head := HEAD(line)) and line.endswith(ENDS):  # as every row of every dump so far
                    row_id, kind = int(head[1]), head[2]
                elif long.goes_on(line):
                    continue
                else:
                    row_id, kind, problem = _odd(line)
                    if problem:
                        yield self._malformed(number - long.pieces, problem)
                    if not row_id:
                        continue
                if row_id < last:
                    self._has_earlier = True
                last = row_id
                if kind == b"2":
                    counts.answers += 1
                    if row_id in places:
                        yield from self._met(line, number - long.pieces, row_id, spool)
                elif kind == b"1":
                    counts.questions += 1
                    if PICTURE in line:
                        yield from self._question(line, number - long.pieces, row_id, spool)
                else:
                    counts.other_posts += 1

    def _second_reading(self, spool: BinaryIO) -> Iterator[Found]:
        places = self._places
        self.counts.readings += 1
        with open_stream(self.path) as stream:
            for number, line in enumerate(iter(partial(stream.readline, LONGEST), b""), 1):
                row_id = int(head[1]) if (head := HEAD(line)) else _number(line, b' Id="')
                if row_id in places and _attribute(line, b' PostTypeId="') == b"2":
                    yield from self._met(line, number, row_id, spool)
                    if not places:
                        return

    def _question(self, line: bytes, number: int, row_id: int, spool: BinaryIO) -> Iterator[Found]:
        self.counts.questions_with_pictures += 1
        if row_id in self._questions:
            yield self._malformed(number, f"the second row with the Id {row_id}")
            return
        self._questions.add(row_id)
        if refusal := self.wanted.refusal(line):
            yield Unpaired(row_id, *refusal)
            return
        try:
            post = read_post(line)
        except MalformedError as error:
            yield self._malformed(number, str(error))
            return
        if post.accepted in self._places:
            yield Unpaired(row_id, "answer_taken", f"another question accepted the answer {post.accepted}")
            return
        self._has_earlier |= post.accepted < row_id
        self._places[post.accepted] = spool.seek(0, 2)
        pickle.dump(post, spool)

    def _met(self, line: bytes, number: int, row_id: int, spool: BinaryIO) -> Iterator[Found]:
        question = _fetch(spool, self._places.pop(row_id))
        try:
            yield Pair(question, read_post(line))
        except MalformedError as error:
            yield self._malformed(number, str(error))
            yield Unpaired(question.id, "answer_malformed", f"line {number}")

    def _malformed(self, number: int, problem: str) -> Malformed:
        self.counts.malformed += 1
        return Malformed(number, problem)


@dataclass
class _LongLines:
    """Lines that are too long come in pieces: the first is no row, and counted so; the others are passed over."""

    pieces: int = 0
    _is_inside: bool = False

    def goes_on(self, line: bytes) -> bool:
        """Whether this is a further piece of a line."""
        is_piece = self._is_inside
        self.pieces += is_piece
        self._is_inside = not line.endswith(b"\n") and (is_piece or len(line) == LONGEST)
        return is_piece


def _odd(line: bytes) -> tuple[int, bytes, str]:
    """(Id, PostTypeId) of a row that is written otherwise, or (0, "", what is wrong with it); "" when nothing is."""
    text = line.removeprefix(b"\xef\xbb\xbf").strip()
    if not text or text.startswith(FURNITURE):
        return 0, b"", ""
    if not text.startswith(b"<row"):
        return 0, b"", f"not a row: {_shown(text)}"
    if not text.endswith(b"/>"):
        long = f"a line of {LONGEST} bytes or more" if len(line) >= LONGEST else "a row without its end"
        return 0, b"", f"{long}: {_shown(text)}"
    row_id, kind = _number(text, b' Id="'), _attribute(text, b' PostTypeId="')
    return (row_id, kind, "") if row_id and kind else (0, b"", f"a row without Id or PostTypeId: {_shown(text)}")


def _shown(text: bytes) -> str:
    return text[:SHOWN].decode("utf-8", "replace")


def _number(line: bytes, name: bytes) -> int:
    """An attribute's number; 0 where there is none."""
    text = _attribute(line, name)
    return int(text) if len(text) < 18 and text.removeprefix(b"-").isdigit() else 0


def _attribute(line: bytes, name: bytes) -> bytes:
    """An attribute's value: a raw quote cannot stand inside another one."""
    start = line.find(name, 0, 100)
    if start < 0 and (start := line.find(name)) < 0:
        return b""
    start += len(name)
    return line[start : line.find(b'"', start)]


def _fetch(spool: BinaryIO, place: int) -> Post:
    """What we wrote ourselves, into a file without a name."""
    spool.seek(place)
    post: Post = pickle.load(spool)
    return post
