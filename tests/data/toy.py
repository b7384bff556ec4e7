"""A small pipeline with every kind of stage, on real text: notes are counted, answered by a model, sifted and drawn."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viscodex.core.chat import Message
from viscodex.core.sample import Image, Sample, Source
from viscodex.data.pipeline import Ask, Asker, Memory, Pipeline, Sieve, Work
from viscodex.runner.stage import Keep, Reject, Result

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"]

PARAMS = {"max_tokens": 50, "temperature": 0.5}


def note(number: int) -> str:
    return " ".join(WORDS[(number * step + step) % len(WORDS)] for step in range(1, 2 + number % 7))


@dataclass(frozen=True)
class Drafts:
    """`count` notes; every 17th cannot be read."""

    count: int
    ids: int = 100_000

    def __call__(self) -> Iterator[tuple[str, Sample | Reject]]:
        for number in range(self.count):
            row_id = f"chart-{(number * 7919) % self.ids:05d}"  # not in order
            if number % 17 == 5:
                yield row_id, Reject("unreadable", f"note {number}")
                continue
            origin = {"name": "notes", "id": str(number), "attribution": f"note {number} by nobody"}
            source = Source(url=f"https://example.org/{number}", licence="CC0-1.0", author="nobody")
            prompt = (f"Draw note {number}: {note(number)}",)
            yield row_id, Sample(id=row_id, kind="chart", prompt=prompt, checks={"origin": origin}, source=source)


@dataclass(frozen=True)
class Count:
    """Counts words; rejects short notes; the `poison`ed one kills whoever works on it."""

    poison: str = ""
    seconds: float = 0.0
    kill: str = ""

    def __call__(self, opened: Any, sample: Sample) -> Result[Sample]:
        begun = time.monotonic()
        if sample.id == self.poison:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kill and not Path(self.kill).exists():
            Path(self.kill).write_text(sample.id)
            os.kill(os.getppid(), signal.SIGKILL)  # whoever started this process: an actor
        time.sleep(self.seconds)
        words = len(sample.text.split()) - 3
        if words < 2:
            return Reject("too_short", f"{words} words")
        facts = {"words": words, "count_s": time.monotonic() - begun}
        return Keep(sample.model_copy(update={"checks": sample.checks | facts}))


async def answer(asker: Asker, sample: Sample) -> Result[Sample]:
    reply = await asker.ask([Message("user", (sample.text,))], tag="toy-1", **PARAMS)
    if reply.text == "NO":
        return Reject("refused")
    facts = {"model": asker.model, "params": PARAMS, "prompt_version": "toy-1", "time": str(time.time())}
    return Keep(sample.model_copy(update={"response": reply.text, "checks": sample.checks | {"generator": facts}}))


def upper(opened: Any, sample: Sample) -> Result[Sample]:
    """What stands in for the model."""
    return Keep(sample.model_copy(update={"response": sample.text.partition(": ")[2].upper()}))


def draw(opened: Any, sample: Sample) -> Result[Sample]:
    import PIL.Image
    import PIL.ImageDraw

    picture = PIL.Image.new("RGB", (240, 40), "white")
    PIL.ImageDraw.Draw(picture).text((5, 5), sample.response, fill="black")
    content = io.BytesIO()
    picture.save(content, "PNG")
    return Keep(sample.model_copy(update={"prompt": (Image(data=content.getvalue()), *sample.prompt)}))


def once() -> Memory:
    seen: dict[str, str] = {}

    def memory(sample: Sample) -> Reject | None:
        first = seen.setdefault(sample.response, sample.id)
        return None if first == sample.id else Reject("duplicate", f"of {first}")

    return memory


def pipeline(count: int, *, ids: int = 100_000, poison: str = "", seconds: float = 0.0, kill: str = "") -> Pipeline:
    stages = [
        Work("count", Count(poison, seconds, kill)),
        Ask("answer", answer, otherwise=Work("upper", upper)),
        Sieve("once", once),
        Work("draw", draw),
    ]
    return Pipeline("chart", Drafts(count, ids), stages)
