"""HTML to Markdown, and the filters that need nothing but the text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from viscodex.core.sample import Image, Sample
from viscodex.data.qa.markdown import Document, Picture, UnreadableError, to_markdown
from viscodex.data.qa.settings import Settings
from viscodex.runner.stage import Keep, Reject, Result

MARKER = "<image>"
"""Data sets mark pictures so in their texts: a text that holds it (SVG has such an element) cannot be a row of one."""
LITTLE_CODE = 30
URLS = "\n"
"""Between the addresses of one picture, while it is only known by them."""


@dataclass(frozen=True)
class Convert:
    """Work of the stage `markdown`. The prompt is title and question, with a picture where the post has one."""

    settings: Settings

    def __call__(self, _: None, sample: Sample) -> Result[Sample]:
        tags = str(sample.checks["tags"]).split()
        try:
            question = to_markdown(str(sample.prompt[0]), tags)
            answer = to_markdown(sample.response, tags)
        except UnreadableError as error:
            return Reject(f"body_{error}")
        if refusal := self._refusal(question, answer):
            return refusal
        checks = {key: value for key, value in sample.checks.items() if key != "title"}
        checks |= {"language": self._language(answer), "pictures": len(question.pictures)}
        if answer.pictures:
            checks["answer_pictures"] = len(answer.pictures)
        prompt = _prompt(str(sample.checks["title"]), question)
        texts = (*(part for part in prompt if isinstance(part, str)), response := answer.text_alone)
        if any(MARKER in text for text in texts):
            return Reject("image_marker", f"the text holds a literal {MARKER}")
        return Keep(sample.model_copy(update={"prompt": prompt, "response": response, "checks": checks}))

    def _refusal(self, question: Document, answer: Document) -> Reject | None:
        if not question.pictures:
            return Reject("no_picture", "no picture in the question's text")
        if len(question.pictures) > self.settings.most_pictures:
            return Reject("many_pictures", str(len(question.pictures)))
        if is_link_only(answer, self.settings.link_only_below):
            return Reject("link_only", answer.text_alone[:200])
        if not answer.code:
            return Reject("no_code", "the answer has no code block")
        if self.settings.languages and not self._language(answer):
            found = sorted({code.language or "unknown" for code in answer.code})
            return Reject("other_language", " ".join(found))
        return None

    def _language(self, answer: Document) -> str:
        """The first wanted language that has a block; with none wanted, the first known."""
        wanted = self.settings.languages
        return next((c.language for c in answer.code if (c.language in wanted if wanted else c.language)), "")


def is_link_only(answer: Document, least: int) -> bool:
    """An answer that sends one elsewhere: it has a link or hardly anything, little prose beside it, and little code."""
    code = sum(len(block.text) for block in answer.code)
    prose = re.sub(r"https?://\S+", "", answer.prose).strip()
    has_link = re.search(r"\]\(<?http|https?://|\]\(<?//", answer.text) is not None
    return has_link and len(prose) < least and code < LITTLE_CODE


def _prompt(title: str, question: Document) -> tuple[str | Image, ...]:
    parts: list[str | Image] = []
    text = f"{title}\n\n" if title else ""
    for part in question.parts():
        if isinstance(part, Picture):
            parts += [text] * bool(text)
            parts.append(Image(path=URLS.join(part.urls) or "nowhere"))
            text = ""
        else:
            text += part
    parts += [text.rstrip()] * bool(text.strip())
    return tuple(parts)
