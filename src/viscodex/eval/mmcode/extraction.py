"""From an answer to the program in it: the first Python block, as MMCode takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from viscodex.model.extract import normalised, without_reasoning
from viscodex.model.fences import PYTHON, Block, blocks

Found = Literal["python", "plain", "whole", "nothing"]


@dataclass(frozen=True)
class Extracted:
    """A program and where it was: in a Python block, in a block without a language, or the whole answer."""

    code: str
    found: Found
    is_truncated: bool = False
    """Its fence was never closed: the answer was cut."""


def extract_program(answer: str) -> Extracted:
    """The first Python block that holds something, else the first plain one, else the whole answer.

    Reasoning is no part of the answer; line ends become Unix's. Never raises.
    """
    text = without_reasoning(normalised(answer), "algorithm")
    found = [block for block in blocks(text) if block.text]
    if python := [block for block in found if block.language in PYTHON]:
        return _of(python[0], "python")
    if plain := [block for block in found if not block.language]:
        return _of(plain[0], "plain")
    code = text.strip("\n")
    return Extracted(code, "whole" if code.strip() else "nothing")


def _of(block: Block, found: Found) -> Extracted:
    return Extracted(block.text, found, not block.is_closed)
