"""The noun of the worlds: one problem with its reference answer, drawn from a seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar, get_args

Kind = Literal["chart", "page", "question", "algorithm"]
Split = Literal["train", "test"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TEST_SHARE = 8
"""One content in so many is for tests, and never drawn for training."""

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """What is asked, what is right, and what its picture is drawn from."""

    id: str
    kind: Kind
    family: str
    prompt: str
    code: str
    """The reference: a matplotlib script, a page, a function; of a question, the answer's text."""
    description: str = ""
    """All that the code says and the picture shows, as `key: value` lines in the order of the code."""
    tests: str = ""
    """Of an algorithm, assertions; of a question, what a right answer says."""
    picture_of: str = ""
    """The script or page that the picture shows; "" where there is none."""


class Content(NamedTuple):
    """A problem before it has a name: what a family's drawing gives."""

    family: str
    prompt: str
    code: str
    description: str = ""
    tests: str = ""
    picture_of: str = ""


Family = Callable[[random.Random], Content | None]
"""None: what was drawn makes no problem; another is drawn."""


def problem(kind: Kind, split: Split, index: int, families: Sequence[Family]) -> Problem:
    """The problem of this number: contents are drawn until one belongs to the split.

    Which split a content belongs to is a hash of the content. So no problem of one split is ever found in the other,
    however many are drawn.
    """
    name = f"{kind}-{split}-{index:06d}"
    chance = random.Random(name)
    while True:
        content = chance.choice(families)(chance)
        if content is not None and split_of(content) == split:
            return Problem(name, kind, *content)


def split_of(content: Content) -> Split:
    """Test or train, by what the picture shows, or what the code does where there is none.

    So a picture is of one split for every kind of problem: nothing is learned of a test's chart by a question about it.
    """
    told = content.picture_of or content.code
    place = int.from_bytes(hashlib.blake2b(told.encode(), digest_size=4).digest())
    return "test" if place % TEST_SHARE == 0 else "train"


def some(chance: random.Random, among: Sequence[T], count: int) -> list[T]:
    """So many different ones."""
    return chance.sample(among, count)


def listed(values: Sequence[object]) -> str:
    """`3, 5, 8`."""
    return ", ".join(map(str, values))


def quoted(values: Sequence[str]) -> str:
    """`["tea", "rice"]`."""
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


Facts = dict[str, str]


def facts(description: str) -> Facts:
    """A description's lines by key; of a key that is there more than once, the values in lines."""
    found: Facts = {}
    for line in description.splitlines():
        key, _, value = line.partition(": ")
        found[key] = f"{found[key]}\n{value}" if key in found else value
    return found
