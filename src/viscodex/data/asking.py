"""What the pipelines want of a language model: a program or a page, or marks from one to five; and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from viscodex.core.chat import Message, Reply
from viscodex.core.errors import VisCodexError, visible
from viscodex.core.sample import Kind, Sample
from viscodex.data.pipeline import Asker
from viscodex.data.wording import wording
from viscodex.model.extract import END_OF_THINKING, extract
from viscodex.model.prompts import Prompt
from viscodex.runner.stage import Keep, Reject

LOWEST, HIGHEST = 1, 5
SCORE = re.compile(r"^[\s>#*_`-]*score[\s*_`]*[:=][\s*_`]*([1-5])(?:[\s*_`]*/[\s*_`]*5)?[\s*_`.]*$", re.I | re.M)
AGAIN = "Answer with your reasons in two sentences and, as the last line, `Score: N`, where N is an integer of 1 to 5."


async def write_code(
    asker: Asker, sample: Sample, prompt: Prompt, parts: Sequence[str | bytes], **params: Any
) -> Keep[Sample] | Reject:
    """The sample with the code of a model's answer as its response, and who wrote it; or why there is none."""
    reply = await asker.ask([Message("user", tuple(parts))], tag=prompt.version, **params)
    code = extract(reply.text, sample.kind)
    if reply.finish == "length" or (code and is_cut(code, sample.kind)):
        return Reject("truncated", f"cut after {len(reply.text)} characters")
    if not code:
        return Reject("no_code", visible(reply.text, 200))
    facts = {"generator": generator(asker, reply, prompt, params)}
    return Keep(sample.model_copy(update={"response": code, "checks": sample.checks | facts}))


def is_cut(code: str, kind: Kind) -> bool:
    """Whether a page ends before its end, which some services do not tell."""
    return kind == "html" and not code.rstrip().lower().endswith("</html>")


def generator(asker: Asker, reply: Reply, prompt: Prompt, params: dict[str, Any]) -> dict[str, Any]:
    """What a row says about the model that wrote it. The time is the service's own: it stays."""
    return {
        "model": reply.model or asker.model,
        "params": params,
        "prompt_version": prompt.version,
        "time": _created(reply.raw),
    }


def _created(raw: str) -> str:
    try:
        return datetime.fromtimestamp(json.loads(raw)["created"], UTC).isoformat()
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return ""


async def mark(asker: Asker, rubric: Prompt, parts: Sequence[str | bytes], **params: Any) -> tuple[int, str]:
    """Marks of one to five by a rubric, and the reply. A reply without is asked for again; then it is an error."""
    turns = [Message("user", (*parts, rubric.text))]
    for _ in range(2):
        reply = await asker.ask(turns, tag=rubric.version, **params)
        said = END_OF_THINKING.split(reply.text)[-1]
        if found := SCORE.findall(said):
            return int(found[-1]), said
        turns += [Message("assistant", (reply.text,)), Message("user", (AGAIN,))]
    raise VisCodexError(f"no marks in the judge's reply: {visible(reply.text, 200)}", hint=rubric.version)


@dataclass(frozen=True)
class Marking:
    """Marks of one to five for a sample's pictures, by a packaged rubric; what has fewer than `least` goes."""

    rubric: str
    name: str
    least: int

    async def __call__(self, asker: Asker, sample: Sample) -> Keep[Sample] | Reject:
        pictures = [picture.read() for picture in sample.images]
        marks, said = await mark(asker, wording(self.rubric), pictures, temperature=0, max_tokens=1024)
        if marks < self.least:
            return Reject(f"low_{self.name}", f"{marks}: {' '.join(said.split())[:200]}")
        return Keep(sample.model_copy(update={"checks": sample.checks | {self.name: marks, "rubric": self.rubric}}))
