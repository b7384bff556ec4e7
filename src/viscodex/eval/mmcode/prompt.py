"""What a model is asked: the instruction, the problem with its pictures where they belong, the form of the answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from viscodex.core.sample import Image
from viscodex.model.prompts import Prompt

PLACEHOLDER = re.compile(r"!\[image\]\(.*?\)")
UNAVAILABLE = "(image unavailable)"
STDIO = "Read from standard input and write the answer to standard output, and nothing else."
CALL = (
    "Implement the function `{name}` (a method of `Solution` if the starter code has that class). Return the result; "
    "do not print it, and read no input."
)
STARTER = "\n\nBegin with this code:\n\n```python\n{code}\n```"


@dataclass(frozen=True)
class Interleaved:
    """Text and pictures in reading order; how many placeholders had no picture, how many pictures no placeholder."""

    parts: tuple[str | Image, ...]
    missing: int
    extra: int


@cache
def template() -> Prompt:
    """`templates/problem.txt`, its version in the first line."""
    content = resources.files("viscodex.eval.mmcode").joinpath("templates", "problem.txt").read_text(encoding="utf-8")
    first, _, text = content.partition("\n")
    return Prompt(first.removeprefix("version:").strip(), text.strip())


def interleave(question: str, images: Sequence[Image | None]) -> Interleaved:
    """The i-th placeholder becomes the i-th picture, whatever it is called; left-over pictures come after the text.

    None is a picture that cannot be read: its placeholder becomes a remark.
    """
    texts = PLACEHOLDER.split(question)
    places = len(texts) - 1
    shown = [*images[:places], *[None] * (places - len(images))]
    parts: list[str | Image] = [texts[0]]
    for image, text in zip(shown, texts[1:], strict=True):
        parts += [image or UNAVAILABLE, text]
    rest = [image for image in images[places:] if image is not None]
    missing = sum(image is None for image in [*shown, *images[places:]])
    return Interleaved(tuple(_joined([*parts, *rest])), missing, max(0, len(images) - places))


def prompt(question: Interleaved, function: str = "", starter: str = "") -> tuple[str | Image, ...]:
    """The whole prompt; `function` is empty for programs that read and write."""
    before, after = template().text.split("{question}")
    form = CALL.format(name=function) if function else STDIO
    form += STARTER.format(code=starter.strip("\n")) if starter.strip() else ""
    return tuple(_joined([before, *question.parts, after.replace("{form}", form)]))


def _joined(parts: Sequence[str | Image]) -> Iterator[str | Image]:
    """Neighbouring texts as one; none empty."""
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        if text:
            yield text
            text = ""
        yield part
    if text:
        yield text
