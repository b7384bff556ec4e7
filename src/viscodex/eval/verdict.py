"""From a judge's reply to a value in [0, 1], strictly: what is not of the form is asked for again, never guessed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from viscodex.model.extract import END_OF_THINKING

MOST = 50
_MARK = {"type": "integer", "minimum": 0, "maximum": MOST}
MARKS: dict[str, Any] = {
    "type": "object",
    "properties": {"reasons": {"type": "string"}, "correctness": _MARK, "completeness": _MARK},
    "required": ["reasons", "correctness", "completeness"],
    "additionalProperties": False,
}
FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL | re.IGNORECASE)
# Possessive throughout: a line of ten thousand asterisks takes linear time.
SCORE = re.compile(
    r"[\s>#*_`-]*+(?:(?:final|total|overall)\s++)?+score[\s*_`]*+[:=][\s*_`]*+(?P<points>[-+]?\d++(?:\.\d++)?+)"
    r"[\s*_`]*+(?:(?:/|out\s++of)\s*+100(?![\d.]*\d))?+[\s*_`]*+(?:points?)?+[\s*_`.]*+(?:\(.*\))?+[\s*_`.]*+",
    re.IGNORECASE,
)


class UnreadableError(ValueError):
    """A reply that is not of the form; the message goes back to the judge."""


@dataclass(frozen=True)
class Reader:
    """How replies of one form are read: `form` is how a rubric's text shows it, `schema` what a service can enforce."""

    read: Callable[[str], float]
    form: str
    again: str
    schema: Mapping[str, Any] | None = None


def read_marks(reply: str) -> float:
    """`{"reasons": "…", "correctness": 0–50, "completeness": 0–50}` and nothing else → their sum over 100."""
    text = _said(reply)
    fenced = FENCED.fullmatch(text)
    try:
        content = json.loads(fenced[1] if fenced else text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"the reply is not one JSON object: {error}") from None
    if not isinstance(content, dict) or set(content) != set(MARKS["required"]):
        raise UnreadableError('the reply must have exactly the keys "reasons", "correctness" and "completeness"')
    marks = [content["correctness"], content["completeness"]]
    for mark in marks:
        if isinstance(mark, bool) or not isinstance(mark, int) or not 0 <= mark <= MOST:
            raise UnreadableError(f"correctness and completeness must be integers from 0 to {MOST}")
    if not isinstance(content["reasons"], str):
        raise UnreadableError("the reasons must be a text")
    return float(sum(marks)) / (2 * MOST)


def read_score(reply: str) -> float:
    """The last line `Score: N`, with or without `/100` and Markdown, 0 to 100 → N / 100.

    Sub-scores (`Layout score: 8/10`, `Score: 8/10`) are not it.
    """
    for line in reversed(_said(reply).splitlines()):
        if found := SCORE.fullmatch(line):
            points = float(found["points"])
            if not 0 <= points <= 100:
                raise UnreadableError("the score must be from 0 to 100")
            return points / 100
    raise UnreadableError('the last line must be "Score: N/100"')


READERS: dict[str, Reader] = {
    "marks": Reader(
        read_marks,
        '"correctness"',
        'Reply with the JSON object alone: {"reasons": "…", "correctness": 0, "completeness": 0}, the two integers '
        f"from 0 to {MOST}.",
        MARKS,
    ),
    "score": Reader(
        read_score, "Score:", "Reply again in the form that was asked for, the last line being `Score: N/100`."
    ),
}


def _said(reply: str) -> str:
    """Without the reasoning of models that think aloud, and a byte-order mark."""
    return END_OF_THINKING.split(reply)[-1].lstrip("\ufeff").strip()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key is there twice")
    return content
