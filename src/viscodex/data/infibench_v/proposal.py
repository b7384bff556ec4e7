"""A grading to begin with: what the accepted answer's code names and the question does not, and a judge.

People finish it at the desk: these are keywords that an answer probably needs, and no more than that.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from viscodex.core.sample import Sample
from viscodex.model.fences import blocks
from viscodex.runner.stage import Keep, Result

NAME = re.compile(r"[A-Za-z_$][\w$]*(?:[.-][A-Za-z_$][\w$]*)*")
TEXT = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|`[^`\n]*`")
MOST, LEAST_LETTERS = 4, 4
COMMON_WORDS = """
this self true false null none void return function const static public private class import from for while with else
elif then when case switch break continue where select order group values into int float double string char bool
boolean print println echo console.log main args name value data list dict array object type test item index width
height color left right include require using namespace def lambda async await new delete
"""
COMMON = frozenset(COMMON_WORDS.split())


def with_grading(_: None, sample: Sample) -> Result[Sample]:
    """Work of the stage `grading`: a proposal in the checks. Nothing is rejected."""
    return Keep(
        sample.model_copy(update={"checks": sample.checks | {"grading": propose(sample.text, sample.response)}})
    )


def propose(question: str, answer: str) -> dict[str, Any]:
    """Names of the code that say most: those that the question does not have, the most frequent and longest first."""
    known = {word.lower() for word in NAME.findall(question)} | COMMON
    code = "\n".join(TEXT.sub(" ", block.text) for block in blocks(answer))
    counts = Counter(name for name in NAME.findall(code) if len(name) >= LEAST_LETTERS and name.lower() not in known)
    best = sorted(counts, key=lambda name: (-min(counts[name], 3), -min(len(name), 12), name))[:MOST]
    grading: dict[str, Any] = {"judge": {"notes": ""}}
    return {"keywords": best, **grading} if best else grading
