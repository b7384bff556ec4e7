"""Prompts, rubrics, instructions and lists to draw from: packaged files whose first line is their version.

    version: html-design-1

    Design a new page about {topic} …

A changed text gets a new version and a new file, so that a row's `prompt_version` says what was asked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import TypeVar

from viscodex.core.errors import VisCodexError
from viscodex.model.prompts import Prompt

T = TypeVar("T")
SLOT = re.compile(r"\{([a-z_]+)\}")


@cache
def wording(version: str) -> Prompt:
    """The packaged text of a version (`templates/VERSION.txt`)."""
    content = resources.files("viscodex.data").joinpath("templates", f"{version}.txt").read_text(encoding="utf-8")
    first, _, text = content.partition("\n")
    if first != f"version: {version}":
        raise VisCodexError(f"the text must begin with the line: version: {version}", where=f"{version}.txt")
    return Prompt(version, text.strip())


@cache
def options(version: str) -> tuple[str, ...]:
    """The lines of a packaged list."""
    return tuple(line for line in wording(version).text.splitlines() if line.strip())


def fill(text: str, values: Mapping[str, str]) -> str:
    """A text with its slots filled, in one pass: what looks like a slot in a value stays as it is."""
    return SLOT.sub(lambda match: values[match[1]], text)


def draw(choices: Sequence[T], seed: int, sample: str, what: str) -> T:
    """One of them by hash of seed and id: the same on every machine, whatever was drawn before."""
    digest = hashlib.sha256(f"{seed}\0{sample}\0{what}".encode()).digest()
    return choices[int.from_bytes(digest[:8], "big") % len(choices)]
