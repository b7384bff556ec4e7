"""The job as a pipeline of viscodex; importable, since worker processes import it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from building import job
from viscodex.core.chat import Message
from viscodex.core.sample import Image, Sample
from viscodex.data.pipeline import Ask, Asker, Memory, Pipeline, Sieve, Work
from viscodex.runner.stage import Keep, Reject, Result


def check(opened: Any, sample: Sample) -> Result[Sample]:
    return Keep(sample) if job.is_long(sample.text) else Reject("too_short")


async def answer(asker: Asker, sample: Sample) -> Result[Sample]:
    reply = await asker.ask([Message("user", (sample.text,))], tag="note-1", max_tokens=100)
    return Keep(sample.model_copy(update={"response": reply.text}))


def once() -> Memory:
    seen: set[str] = set()

    def memory(sample: Sample) -> Reject | None:
        if sample.response in seen:
            return Reject("duplicate")
        seen.add(sample.response)
        return None

    return memory


def draw(opened: Any, sample: Sample) -> Result[Sample]:
    return Keep(sample.model_copy(update={"prompt": (Image(data=job.draw(sample.response)), *sample.prompt)}))


def pipeline(rows: int) -> Pipeline:
    def drafts() -> Iterator[tuple[str, Sample | Reject]]:
        for number in range(rows):
            name = job.row_id(number)
            yield name, Sample(id=name, kind="chart", prompt=(job.note(number),))

    return Pipeline(
        "chart", drafts, [Work("check", check), Ask("answer", answer), Sieve("once", once), Work("draw", draw)]
    )
