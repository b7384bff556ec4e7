"""What two rows have in common when one was made from the other: hashes of code, word 13-grams, numbers of posts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress

from viscodex.data.dedup import script_hash

WORDS_OF_A_GRAM = 13
LEAST_CODE = 40
"""Characters without white space: shorter programs meet by chance."""
WORD = re.compile(r"\w+")
POST = re.compile(r"stackoverflow\.com/(?:questions|q|a)/(\d{1,12})(?:/[^/#?\s)]*/(\d{1,12}))?")
CODE = re.compile(r"(?ms)^[ \t>]*(`{3,}|~{3,})[^\n]*\n(.*?)^[ \t>]*\1[`~]*[ \t]*$")


def code_prints(code: str) -> set[str]:
    """Of the code without its white space; and of its syntax tree, where it is Python, so that names do not count."""
    bare = re.sub(r"\s+", "", code)
    if len(bare) < LEAST_CODE:
        return set()
    prints = {_short(bare)}
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        prints.add(script_hash(code)[:16])
    return prints


def grams(text: str) -> Iterator[str]:
    """Every run of 13 words, in lower case, without punctuation; code blocks are left out."""
    words = WORD.findall(CODE.sub(" ", text).lower())
    for start in range(len(words) - WORDS_OF_A_GRAM + 1):
        yield _short(" ".join(words[start : start + WORDS_OF_A_GRAM]))


def posts(text: str) -> set[int]:
    """The numbers of the Stack Overflow posts that a text links to."""
    return {int(number) for found in POST.finditer(text) for number in found.groups() if number}


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
