"""What every source of answers has in common: settings, answers, and the two ways to ask."""

from __future__ import annotations

import collections.abc
from collections.abc import Iterable, Iterator
from typing import Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from viscodex.core.sample import Sample

Finish = Literal["stop", "length", "error"]


class Sampling(BaseModel):
    """How answers are drawn. The same settings and seed give the same answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(default=0.0, ge=0, description="0 takes the likeliest token each time (greedy).")
    top_p: float = Field(default=1.0, gt=0, le=1, description="Only the likeliest tokens that reach this probability.")
    max_new_tokens: int = Field(default=4096, ge=1, description="Where an answer is cut; it then finishes by length.")
    seed: int = 0
    stop: tuple[str, ...] = Field(default=(), description="Texts that end an answer; they are not part of it.")
    n: int = Field(default=1, ge=1, description="Answers for each sample.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.n > 1 and self.temperature == 0:
            raise ValueError("n > 1 needs a temperature above 0: greedy answers are all the same")
        if "" in self.stop:
            raise ValueError("an empty stop text would end every answer at once")
        return self


class Usage(BaseModel):
    """Tokens read and written; the token that ends an answer is counted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Completion(BaseModel):
    """One answer. `finish` "error" has no text but a `reason`; `index` counts the answers to one sample.

    `seconds` is this answer's share of its batch, so that a sum over answers is the time they took together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_id: str
    text: str = ""
    code: str = ""
    finish: Finish = "stop"
    usage: Usage = Usage()
    seconds: float = 0.0
    generator: str = ""
    index: int = 0
    reason: str = ""


class Stream:
    """The pieces of one answer as they come; `completion` is there when they have all come."""

    def __init__(self, pieces: collections.abc.Generator[str, None, Completion]) -> None:
        self._pieces = pieces
        self.completion: Completion | None = None

    def __iter__(self) -> Iterator[str]:
        self.completion = yield from self._pieces

    def close(self) -> None:
        """Stop early; nothing more is computed."""
        self._pieces.close()


class Generator(Protocol):
    """A source of answers: a model in this process, an endpoint, or a stand-in."""

    name: str

    def generate(self, samples: Iterable[Sample], sampling: Sampling) -> Iterator[Completion]:
        """Answers as they are ready, in any order; one bad sample is an answer that finishes by error."""
        ...

    def stream(self, sample: Sample, sampling: Sampling) -> Stream:
        """One answer, piece by piece."""
        ...
