"""A conversation: a sample whose prompt is the latest of several turns."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from viscodex.core.chat import Role
from viscodex.core.sample import Image, Sample


@dataclass(frozen=True)
class Turn:
    """What one side said: texts and pictures in reading order."""

    role: Role
    parts: tuple[str | Image, ...]

    @property
    def text(self) -> str:
        """Its words, without its pictures."""
        return "\n".join(part for part in self.parts if isinstance(part, str))


class Chat(Sample):
    """A sample with what was said before its prompt: a system turn, questions and answers.

    `images` and `text` are those of all turns, so that whoever measures or encodes a sample sees the whole of it.
    """

    before: tuple[Turn, ...] = Field(default=(), description="Earlier turns; a system turn is the first.")

    @property
    def images(self) -> tuple[Image, ...]:
        return tuple(part for turn in turns(self) for part in turn.parts if isinstance(part, Image))

    @property
    def text(self) -> str:
        return "\n".join(turn.text for turn in turns(self))


def turns(sample: Sample) -> tuple[Turn, ...]:
    """All turns of a sample, its prompt last."""
    before = sample.before if isinstance(sample, Chat) else ()
    return (*before, Turn("user", sample.prompt))


def follow_up(sample: Sample, answer: str, *prompt: str | Image) -> Chat:
    """The conversation that goes on: what was asked, what was answered, and what is asked now."""
    before = (*turns(sample), Turn("assistant", (answer,)))
    return Chat(id=sample.id, kind=sample.kind, before=before, prompt=prompt)
