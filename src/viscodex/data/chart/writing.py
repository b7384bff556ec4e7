"""What a model does here: rewrite scripts, mend those that fail, and mark charts by a rubric."""

from __future__ import annotations

from dataclasses import dataclass

from viscodex.core.sample import Sample
from viscodex.data.asking import Marking, write_code
from viscodex.data.chart.cleaning import clean
from viscodex.data.chart.execution import ATTEMPT, matplotlib_version
from viscodex.data.chart.settings import Settings
from viscodex.data.pipeline import Asker
from viscodex.data.wording import draw, fill, options, wording
from viscodex.runner.stage import Keep, Reject

REWRITE, REPAIR, RUBRIC, TOPICS = "chart-rewrite-1", "chart-repair-1", "chart-aesthetics-1", "chart-topics-1"
LONGEST_SCRIPT = 30_000
"""Characters of a script that a model is shown; the rest is cut."""


@dataclass(frozen=True)
class Rewrite:
    """A clean, self-contained script in the spirit of the seed's; its topic is drawn by seed and id."""

    settings: Settings

    async def __call__(self, asker: Asker, sample: Sample) -> Keep[Sample] | Reject:
        settings, prompt = self.settings, wording(REWRITE)
        topic = draw(settings.topics or options(TOPICS), settings.seed, sample.id, "topic")
        text = fill(prompt.text, {"topic": topic, "code": sample.response[:LONGEST_SCRIPT]})
        params = {"temperature": settings.temperature, "max_tokens": settings.max_tokens}
        written = await write_code(asker, sample, prompt, [text], **params)
        if isinstance(written, Reject):
            return written
        changed = {"response": clean(written.row.response), "checks": written.row.checks | {"topic": topic}}
        return Keep(written.row.model_copy(update=changed))


@dataclass(frozen=True)
class Repair:
    """A script that failed, mended from its error. One that works passes without a question.

    An answer without a script leaves the row as it is: the next repair may do better, and the last failure counts.
    """

    settings: Settings
    number: int

    async def __call__(self, asker: Asker, sample: Sample) -> Keep[Sample] | Reject:
        attempt = sample.checks[ATTEMPT]
        if not attempt["reason"]:
            return Keep(sample)
        prompt = wording(REPAIR)
        values = {"matplotlib": matplotlib_version(), "error": attempt["error"], "code": sample.response}
        values["number"], values["most"] = str(self.number), str(self.settings.repairs)
        params = {"temperature": 0.2, "max_tokens": self.settings.max_tokens}
        written = await write_code(asker, sample, prompt, [fill(prompt.text, values)], **params)
        if isinstance(written, Reject):
            return Keep(sample)
        changed = {"response": clean(written.row.response), "checks": written.row.checks | {"repairs": self.number}}
        return Keep(written.row.model_copy(update=changed))


def aesthetics(settings: Settings) -> Marking:
    """Marks for a chart's picture."""
    return Marking(RUBRIC, "aesthetic", settings.min_aesthetic)
