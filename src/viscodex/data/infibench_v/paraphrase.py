"""Other words for a question: a model proposes them, a person takes them or not. Code and pictures stay as they are."""

from __future__ import annotations

import re

from viscodex.core.chat import Message
from viscodex.core.infibench_v import SLOT
from viscodex.core.sample import Image, Sample
from viscodex.data.pipeline import Asker
from viscodex.data.wording import wording
from viscodex.model.extract import normalised, without_reasoning
from viscodex.model.fences import blocks
from viscodex.runner.stage import Keep, Result

PROMPT = "infibench-v-paraphrase-1"
LONGEST = 3000
LEAST, MOST = 0.4, 2.5
"""Of the question's length: less has lost something, more has added something."""


def question_of(sample: Sample) -> str:
    """The question as the record has it: Markdown with `![image](n)` where picture n stands."""
    numbers = iter(range(len(sample.images)))
    parts = (f"![image]({next(numbers)})" if isinstance(part, Image) else part.strip("\n") for part in sample.prompt)
    return "\n\n".join(part for part in parts if part.strip())


async def propose_words(asker: Asker, sample: Sample) -> Result[Sample]:
    """Ask of the stage `paraphrase`. One that will not do is told, and rejects nothing: people have words, too."""
    prompt, question = wording(PROMPT), question_of(sample)
    pictures = (image.read() for image in sample.images)
    parts: list[str | bytes] = [prompt.text, "QUESTION BEGINS", question, "QUESTION ENDS", *pictures]
    reply = await asker.ask(
        [Message("user", tuple(parts))], tag=prompt.version, temperature=0.7, seed=1, max_tokens=LONGEST
    )
    text = without_reasoning(normalised(reply.text), "qa").strip()
    problem = "cut off" if reply.finish == "length" else why_not(question, text)
    facts = {"paraphrase": "" if problem else text, "paraphrase_problem": problem}
    return Keep(sample.model_copy(update={"checks": sample.checks | facts}))


def why_not(question: str, text: str) -> str:
    """What is wrong with a proposal; "" when it can be shown to a person."""
    if not text or _words(text) == _words(question):
        return "nothing is said anew"
    if SLOT.findall(text) != SLOT.findall(question):
        return "the pictures are not in their places"
    if [block.text for block in blocks(text)] != [block.text for block in blocks(question)]:
        return "the code is not the same"
    if not LEAST <= len(text) / len(question) <= MOST:
        return f"{len(text)} characters for {len(question)}"
    return ""


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
