"""Duplicates, exact and near, found without comparing everything with everything.

Pictures: two hashes that differ in at most 16 bits agree in one of 17 bands (pigeonhole), so only rows that share one
are compared; nothing is missed. Pages: MinHash with locality-sensitive hashing (datasketch). Scripts: a hash of
the syntax tree, in which names of variables, layout and comments do not count.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

from viscodex.core.sample import Sample
from viscodex.data.checks import FINE, FINE_BITS
from viscodex.runner.stage import Reject

PERMUTATIONS = 128
SHINGLE = 4
WORD = re.compile(r"\w+")


class PictureIndex:
    """Perceptual hashes seen so far; `near` finds the nearest that is at most `distance` bits away."""

    def __init__(self, distance: int, bits: int = 64) -> None:
        self.distance = distance
        self.bits = bits
        self._bands: list[defaultdict[int, list[tuple[int, str]]]] = [defaultdict(list) for _ in range(distance + 1)]

    def near(self, hash: str) -> tuple[str, int] | None:
        """(name, distance) of the nearest in reach."""
        value = int(hash, 16)
        found = {
            (other, name)
            for band, key in zip(self._bands, self._keys(value), strict=True)
            for other, name in band.get(key, ())
        }
        best = min((((value ^ other).bit_count(), name) for other, name in found), default=(self.bits, ""))
        return (best[1], best[0]) if best[0] <= self.distance else None

    def add(self, hash: str, name: str) -> None:
        value = int(hash, 16)
        for band, key in zip(self._bands, self._keys(value), strict=True):
            band[key].append((value, name))

    def _keys(self, value: int) -> Iterator[int]:
        count = len(self._bands)
        edges = [self.bits * place // count for place in range(count + 1)]
        for low, high in pairwise(edges):
            yield (value >> low) & ((1 << (high - low)) - 1)


class PageIndex:
    """Pages seen so far, as MinHashes of their DOM; `near` finds one whose estimated Jaccard similarity is as high."""

    def __init__(self, similarity: float) -> None:
        from datasketch import MinHashLSH

        self.similarity = similarity
        # Candidates are drawn a little below the threshold: bands are blurred, and each candidate is measured anyway.
        self._index = MinHashLSH(threshold=max(0.5, similarity - 0.1), num_perm=PERMUTATIONS)
        self._sketches: dict[str, Any] = {}

    def near(self, sketch: Any) -> tuple[str, float] | None:
        pairs = [(float(sketch.jaccard(self._sketches[name])), str(name)) for name in self._index.query(sketch)]
        best = max(pairs, default=(0.0, ""))
        return (best[1], best[0]) if best[0] >= self.similarity else None

    def add(self, sketch: Any, name: str) -> None:
        self._index.insert(name, sketch)
        self._sketches[name] = sketch


def sketch(html: str) -> Any:
    """The MinHash of a page's DOM: shingles of tags with their classes, and of words, in reading order."""
    from datasketch import MinHash

    tokens = _Tokens.of(html)
    shingles = {" ".join(tokens[place : place + SHINGLE]) for place in range(max(1, len(tokens) - SHINGLE + 1))}
    found = MinHash(num_perm=PERMUTATIONS, seed=1)
    found.update_batch([shingle.encode() for shingle in sorted(shingles)])
    return found


class _Tokens(HTMLParser):
    """A page as a list: `<tag.class>` for an element, and the words of its text; styles and scripts left out."""

    def __init__(self) -> None:
        HTMLParser.__init__(self)
        self.found: list[str] = []
        self._hidden = 0

    @classmethod
    def of(cls, html: str) -> list[str]:
        parser = cls()
        parser.feed(html)
        parser.close()
        return parser.found

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        classes = next((value for name, value in attrs if name == "class" and value), "")
        self.found.append(f"<{'.'.join([tag, *classes.split()])}>")
        self._hidden += tag in ("style", "script")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "script") and self._hidden > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.found += WORD.findall(data.lower())


def script_hash(code: str) -> str:
    """SHA-256 of a script's syntax tree; names that the script itself gives are numbered in order of appearance."""
    tree = ast.parse(code)
    given = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    numbers: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in given:
            node.id = numbers.setdefault(node.id, f"_{len(numbers)}")
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


@dataclass
class Seen:
    """A sieve's memory of keys that must differ (`key`): a code's hash, a question's id."""

    key: Callable[[Sample], str]

    def __post_init__(self) -> None:
        self._first: dict[str, str] = {}

    def __call__(self, sample: Sample) -> Reject | None:
        first = self._first.setdefault(self.key(sample), sample.id)
        return None if first == sample.id else Reject("duplicate", f"the same code as {first}")


@dataclass
class SeenPictures:
    """A sieve's memory of pictures, by their hash."""

    distance: int

    def __post_init__(self) -> None:
        self._index = PictureIndex(self.distance, FINE_BITS)

    def __call__(self, sample: Sample) -> Reject | None:
        hash = sample.checks[FINE]
        if near := self._index.near(hash):
            return Reject("near_duplicate", f"its picture is {near[1]} bits from {near[0]}")
        self._index.add(hash, sample.id)
        return None


@dataclass
class SeenPages:
    """A sieve's memory of pages: their pictures, and their DOM."""

    distance: int
    similarity: float

    def __post_init__(self) -> None:
        self._pictures = SeenPictures(self.distance)
        self._pages = PageIndex(self.similarity)

    def __call__(self, sample: Sample) -> Reject | None:
        mark = sketch(sample.response)
        if near := self._pages.near(mark):
            return Reject("near_duplicate", f"its DOM is {near[1]:.2f} like {near[0]}")
        if reject := self._pictures(sample):
            return reject
        self._pages.add(mark, sample.id)
        return None
