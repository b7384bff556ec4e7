"""The answer, cleaned: by a model that keeps its solution, or by rules that take away what speaks to the site only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from viscodex.core.chat import Message
from viscodex.core.errors import visible
from viscodex.core.sample import Sample
from viscodex.data.asking import generator
from viscodex.data.pipeline import Asker
from viscodex.data.qa.language import named
from viscodex.data.qa.needed import question_parts
from viscodex.data.wording import wording
from viscodex.model.extract import normalised, without_reasoning
from viscodex.model.fences import blocks
from viscodex.runner.stage import Keep, Reject, Result

PROMPT = "qa-refine-1"
BEFORE = "before"
"""The check that holds the answer as it was, until the code of both has been compared."""
LONGEST = 4096
CHATTER = re.compile(
    r"^(?:hope (?:this|that|it) helps?\b.{0,40}|happy coding\b.{0,20}|good luck\b.{0,20}|cheers\b.{0,20}|"
    r"thanks?(?: you)?\b.{0,40}|(?:hi|hello|hey)(?: there| all| everyone)?\s*[,.!]*|let me know if\b.{0,100}|"
    r"(?:please )?(?:up-?vote|accept)\b.{0,100}|\W+)$",
    re.IGNORECASE,
)
HEADS = re.compile(
    r"^(?:\*\*(?:edit|update|note added)\b[^*\n]{0,30}\*\*:?|(?:edit|update|note added)\b[^:\n]{0,12}:)\s*",
    re.IGNORECASE,
)
FENCE = re.compile(r"^(`{3,})")


@dataclass(frozen=True)
class Refine:
    """Ask of the stage `refine`. `languages`: what its code may be in; the last such block must stay."""

    languages: tuple[str, ...]

    async def __call__(self, asker: Asker, sample: Sample) -> Result[Sample]:
        prompt, params = wording(PROMPT), {"temperature": 0.0, "max_tokens": LONGEST}
        parts = (
            *(prompt.text, "QUESTION BEGINS", *question_parts(sample), "QUESTION ENDS"),
            *("ANSWER BEGINS", sample.response, "ANSWER ENDS"),
        )
        reply = await asker.ask([Message("user", parts)], tag=prompt.version, **params)
        if reply.finish == "length":
            return Reject("refine_cut_off", f"after {len(reply.text)} characters")
        text = unwrapped(without_reasoning(normalised(reply.text), "qa").strip("\n"))
        if not text.strip():
            return Reject("refine_empty")
        if self.languages and not any(named(block.language) in self.languages for block in blocks(text)):
            return Reject("refine_lost_code", visible(text, 200))
        facts = {"generator": generator(asker, reply, prompt, params)}
        return Keep(changed(sample, text, f"the answer rewritten by {asker.model}", facts))


def refine_by_rules(_: None, sample: Sample) -> Result[Sample]:
    """Work that stands in for the model: prose loses greetings and the like, code is left as it is."""
    text = tidied(sample.response)
    if not text:
        return Reject("refine_empty")
    return Keep(changed(sample, text, "remarks to the site left out")) if text != sample.response else Keep(sample)


def changed(sample: Sample, text: str, how: str, facts: Mapping[str, Any] | None = None) -> Sample:
    """With another answer. The licence wants to be told what was changed: the line of attribution says it."""
    checks = {**sample.checks, BEFORE: sample.response, **(facts or {})}
    if origin := checks.get("origin"):
        checks["origin"] = {**origin, "attribution": f"{origin['attribution']}, {how}"}
    return sample.model_copy(update={"response": text, "checks": checks})


def tidied(markdown: str) -> str:
    """Without lines that are chatter, without `EDIT:` before what was added. Fences are passed by."""
    kept: list[str] = []
    marks = ""
    for line in markdown.split("\n"):
        fence = FENCE.match(line)
        if marks:
            marks = "" if line == marks else marks
        elif fence:
            marks = fence[1]
        else:
            line = HEADS.sub("", line)
            if line and CHATTER.fullmatch(line.strip()) and not _is_rule(line):
                continue
        if line or marks or not kept or kept[-1]:
            kept.append(line)
    return "\n".join(kept).strip("\n")


def _is_rule(line: str) -> bool:
    """`---`, a table's `| --- |`, the mark of a list item whose code follows: these have no letters either."""
    return re.fullmatch(r"[-|: ]+|\s*\d+\.|>", line.strip()) is not None


def unwrapped(text: str) -> str:
    """Without a ```markdown fence around the whole reply."""
    match = re.fullmatch(r"\s*(`{3,})(?:markdown|md)[ \t]*\n(.*)\n\1\s*", text, re.DOTALL)
    return match[2].strip("\n") if match and len(re.findall(rf"(?m)^{match[1]}", match[2])) % 2 == 0 else text
