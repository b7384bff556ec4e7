"""What a model is asked, by kind of task: packaged, versioned texts; and chat messages from a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from viscodex.core.sample import Image, Kind, Sample
from viscodex.model.chat import Turn, turns


@dataclass(frozen=True)
class Prompt:
    """A text and its version (`html-1`): a changed text gets a new version, so that results say what was asked."""

    version: str
    text: str


@lru_cache
def default_prompt(kind: Kind) -> Prompt:
    """The packaged prompt of a kind: `templates/KIND.txt`, its version in the first line."""
    content = resources.files("viscodex.model").joinpath("templates", f"{kind}.txt").read_text(encoding="utf-8")
    first, _, text = content.partition("\n")
    return Prompt(first.removeprefix("version:").strip(), text.strip())


def task(kind: Kind, images: Sequence[Image], prompt: str = "", name: str = "task") -> Sample:
    """A sample that asks about pictures: the pictures in order, then the prompt (the packaged one if none is given)."""
    return Sample(id=name, kind=kind, prompt=(*images, prompt or default_prompt(kind).text))


def messages(sample: Sample, *, answered: bool = False) -> list[dict[str, Any]]:
    """The sample as chat messages with typed content, in reading order; with `answered`, its response at the end.

    A picture is only marked (`{"type": "image"}`): the pictures themselves are `sample.images`, in the same order.
    """
    return [
        {
            "role": turn.role,
            "content": [{"type": "text", "text": p} if isinstance(p, str) else {"type": "image"} for p in turn.parts],
        }
        for turn in _turns(sample, answered)
    ]


def text_messages(sample: Sample, *, answered: bool = False) -> list[dict[str, Any]]:
    """The same for text-only models, whose templates want plain strings."""
    return [{"role": turn.role, "content": turn.text} for turn in _turns(sample, answered)]


def _turns(sample: Sample, answered: bool) -> tuple[Turn, ...]:
    return (*turns(sample), Turn("assistant", (sample.response,))) if answered else turns(sample)
