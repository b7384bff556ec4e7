"""Is the picture needed? A model says so with its reason; without one, a rule about how the text speaks of it.

The rule: a picture is needed when the text points at it (names a picture, or what pictures show, or ends the sentence
before it with a colon or "this"), and the question does not carry on well without it: what is left between and around
the pictures is not mostly code. It is meant for building without an endpoint; the model's verdict is better.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from viscodex.core.chat import Message
from viscodex.core.errors import VisCodexError, visible
from viscodex.core.sample import Image, Sample
from viscodex.data.pipeline import Asker
from viscodex.data.wording import wording
from viscodex.model.fences import blocks
from viscodex.runner.stage import Keep, Reject, Result

PROMPT = "qa-needed-1"
AGAIN = 'Answer with one JSON object: {"needed": true or false, "reason": "one sentence"}, and nothing else.'
OBJECT = re.compile(r"\{.*\}", re.DOTALL)
POINTS = re.compile(
    r"\b(?:image|picture|pic|photo|screen ?(?:shot|capture|cap)|figure|diagram|sketch|drawing|mock-?up|gif|snapshot|"
    r"look(?:s|ing)? like|shown|shows|see (?:below|above|here|attached)|as follows|below|above|attached|illustrat\w+|"
    r"render(?:s|ed)? as|(?:plot|chart|graph|output|result)s? (?:is|are|looks?|here|i get))\b",
    re.IGNORECASE,
)
LEADS = re.compile(r"(?::|\bthis|\bhere|\blike)\W*$", re.IGNORECASE)
MOSTLY = 0.97


def question_parts(sample: Sample) -> list[str | bytes]:
    """The question as a model gets it: texts and pictures in reading order."""
    return [part if isinstance(part, str) else part.read() for part in sample.prompt]


async def judge_need(asker: Asker, sample: Sample) -> Result[Sample]:
    """Ask of the stage `picture_needed`. A reply that is no verdict is asked for again; then it is an error."""
    prompt = wording(PROMPT)
    parts = (prompt.text, "QUESTION BEGINS", *question_parts(sample), "QUESTION ENDS")
    turns = [Message("user", parts)]
    for _ in range(2):
        reply = await asker.ask(turns, tag=prompt.version, temperature=0.0, max_tokens=400)
        if (verdict := _verdict(reply.text)) is not None:
            return _result(sample, *verdict)
        turns += [Message("assistant", (reply.text,)), Message("user", (AGAIN,))]
    raise VisCodexError(f"no verdict in the reply: {visible(reply.text, 200)}", hint=prompt.version)


def _verdict(text: str) -> tuple[bool, str] | None:
    found = OBJECT.search(text)
    try:
        value: Any = json.loads(found[0]) if found else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("needed"), bool):
        return None
    return value["needed"], visible(str(value.get("reason", "")), 300)


def rule_need(_: None, sample: Sample) -> Result[Sample]:
    """Work that stands in for the model."""
    return _result(sample, *by_rule(sample.prompt))


def by_rule(prompt: Sequence[str | Image]) -> tuple[bool, str]:
    """The verdict of the rule, with its reason."""
    text = "".join(part if isinstance(part, str) else "\n" for part in prompt)
    code = sum(len(block.text) for block in blocks(text))
    prose = re.sub(r"(?ms)^```.*?^```", " ", text)
    before = [part for part, after in pairwise(prompt) if isinstance(part, str) and isinstance(after, Image)]
    if not (POINTS.search(prose) or any(LEADS.search(part.rstrip()) for part in before)):
        return False, "the text does not point at the picture"
    if code > MOSTLY * max(1, len(text)):
        return False, "the question is code alone"
    return True, "the text points at the picture"


def _result(sample: Sample, needed: bool, reason: str) -> Result[Sample]:
    if not needed:
        return Reject("picture_not_needed", reason)
    return Keep(sample.model_copy(update={"checks": sample.checks | {"picture_needed": reason}}))
