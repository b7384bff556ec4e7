"""From an answer to the code that a unit test runs.

paper   lines that begin with ``` or are \\begin{code} / \\end{code} mark blocks: marks 0-1, 2-3, …; blocks join with a
        blank line. With fewer than two marks the answer is taken as the continuation of a program: for Python up to the
        first line that is not indented, after the first; for languages with braces up to where they close.
fixed   the blocks of `model.fences` (nested, unclosed, indented, glued fences); shell commands and output
        beside a program are not part of it; without a fence a whole Python program is taken whole.
"""

from __future__ import annotations

import ast
import re
import warnings

from viscodex.eval.benchmark import Rules
from viscodex.model.fences import OUTPUT, SHELL, Block, blocks

BRACES = frozenset({"javascript", "typescript", "java", "cpp", "c", "csharp", "go", "rust", "r", "php", "kotlin"})
LATEX = ("\\begin{code}", "\\end{code}")
BLANKS = re.compile(r"(\s{100})\s+")
"""Patterns of the languages' profiles take quadratic time in a run of blank lines."""


def extract(answer: str, language: str, protocol: Rules, *, only_longest: bool = False) -> str:
    """The code of an answer; "" when there is none. Never raises."""
    found = _published(answer) if protocol == "paper" else _blocks(answer, language)
    if found:
        code = max(found, key=lambda block: block.count("\n")) if only_longest else "\n\n".join(found)
    else:
        code = _continuation(answer, language, protocol)
    return BLANKS.sub(r"\1", code)


def _published(answer: str) -> list[str]:
    lines = answer.split("\n")
    marks = [index for index, line in enumerate(lines) if line.strip().startswith(("```", *LATEX))]
    pairs = zip(marks[::2], marks[1::2], strict=False)
    return ["\n".join(lines[first + 1 : last]) for first, last in pairs]


def _blocks(answer: str, language: str) -> list[str]:
    for mark in LATEX:
        answer = answer.replace(mark, "\n```\n")
    found = [block for block in blocks(answer) if block.text]
    if language == "bash":
        return [block.text for block in found]
    programs = [block for block in found if not _is_aside(block)]
    return [block.text for block in programs or found]


def _is_aside(block: Block) -> bool:
    return block.language in SHELL | OUTPUT


def _continuation(text: str, language: str, protocol: Rules) -> str:
    if language == "python":
        return text if protocol == "fixed" and _is_program(text) else _indented(text)
    return _braced(text) if language in BRACES else text


def _is_program(text: str) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"):
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _indented(text: str) -> str:
    """Up to the first line that is neither blank nor indented, after the first line with text."""
    lines = text.split("\n")
    start = next((index for index, line in enumerate(lines) if line.strip()), len(lines))
    for index in range(start + 1, len(lines)):
        if lines[index].strip() and not lines[index][0].isspace():
            return "\n".join(lines[:index])
    return text


def _braced(text: str) -> str:
    """Up to the brace that closes the first one, or that closes what the prompt began."""
    depth = 0
    for brace in re.finditer(r"[{}]", text):
        depth += 1 if brace[0] == "{" else -1
        if depth <= 0:
            return text[: brace.end()]
    return text
