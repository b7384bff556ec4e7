"""What a model does here: design new pages after the seeds, and mark pages by a rubric."""

from __future__ import annotations

from dataclasses import dataclass

from viscodex.core.sample import Sample
from viscodex.data.asking import Marking, write_code
from viscodex.data.html.seeds import STYLE
from viscodex.data.html.settings import Settings
from viscodex.data.html.vendored import localised, style_of
from viscodex.data.pipeline import Asker
from viscodex.data.wording import draw, fill, options, wording
from viscodex.runner.stage import Keep, Reject

DESIGN, RUBRIC = "html-design-1", "html-quality-1"
TOPICS, LANGUAGES = "html-topics-1", "html-languages-1"


@dataclass(frozen=True)
class Design:
    """A new page in the style of the seed; topic, language and CSS are drawn by seed and id."""

    settings: Settings

    async def __call__(self, asker: Asker, sample: Sample) -> Keep[Sample] | Reject:
        drawn = self.drawn(sample.id)
        prompt = wording(DESIGN)
        css = wording(f"html-css-{drawn[STYLE]}-1").text
        text = fill(prompt.text, {"topic": drawn["topic"], "language": drawn["language"], "css": css})
        params = {"temperature": self.settings.temperature, "max_tokens": self.settings.max_tokens}
        parts = [picture.read() for picture in sample.images]
        written = await write_code(asker, sample, prompt, [*parts, text], **params)
        if isinstance(written, Reject):
            return written
        page = localised(written.row.response)
        facts = drawn | {STYLE: style_of(page)}
        changed = {"response": page, "prompt": (), "checks": written.row.checks | facts}
        return Keep(written.row.model_copy(update=changed))

    def drawn(self, sample: str) -> dict[str, str]:
        """What this page is to be about, in which language, and styled how."""
        settings = self.settings
        return {
            "topic": draw(settings.topics or options(TOPICS), settings.seed, sample, "topic"),
            "language": draw(settings.languages or options(LANGUAGES), settings.seed, sample, "language"),
            STYLE: draw(settings.css, settings.seed, sample, STYLE),
        }


def keep_own_page(resource: object, sample: Sample) -> Keep[Sample] | Reject:
    """Without a model: a seed that is a page is its own response; of a screenshot nothing can be made."""
    return (
        Keep(sample) if sample.response else Reject("no_page", "a screenshot needs a model to design a page after it")
    )


def quality(settings: Settings) -> Marking:
    """Marks for a page's picture."""
    return Marking(RUBRIC, "quality", settings.min_quality)
