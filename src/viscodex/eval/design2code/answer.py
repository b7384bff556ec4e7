"""From an answer to the page that is scored, by protocol; and the reference page of a sample."""

from __future__ import annotations

import re

from viscodex.core.sample import Sample
from viscodex.model.extract import extract
from viscodex.model.generate import Completion

FENCE = "```"
BEGIN = re.compile(r"<!doctype|<html", re.IGNORECASE)
END = "</html>"


def answered_page(completion: Completion) -> str:
    """`fixed`: the page as everywhere else in viscodex; "" when there is none."""
    return completion.code or extract(completion.text, "html")


def published_page(answer: str) -> str:
    """`paper`: the answer without a fence at either end, without what stands before or after the page."""
    text = answer.strip()
    text = text.removeprefix(FENCE).strip()
    text = text.removesuffix(FENCE).strip()
    text = text.removeprefix("html").strip()
    if begin := BEGIN.search(text):
        text = text[begin.start() :]
    end = text.rfind(END)
    return text[: end + len(END)] if end >= 0 else text


def fenced(html: str) -> str:
    """A page as a response: what `reference_page` undoes."""
    return f"{FENCE}html\n{html}\n{FENCE}"


def reference_page(sample: Sample) -> str:
    """The reference HTML, byte for byte as it was loaded; of a response written by hand, the page in it."""
    text = sample.response
    if text.startswith(f"{FENCE}html\n") and text.endswith(f"\n{FENCE}"):
        return text.removeprefix(f"{FENCE}html\n").removesuffix(f"\n{FENCE}")
    return extract(text, "html") or text
