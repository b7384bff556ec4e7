"""A generator that says what a test wrote down, and keeps what it was asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from viscodex.core.sample import Sample
from viscodex.model.extract import extract
from viscodex.model.generate import Completion, Sampling, Stream


class Scripted:
    """Says these answers one after the other; an Exception among them is an answer that finishes by error."""

    name = "scripted"

    def __init__(self, *answers: str | Exception) -> None:
        self._answers = iter(answers)
        self.asked: list[Sample] = []

    def generate(self, samples: Iterable[Sample], sampling: Sampling) -> Iterator[Completion]:
        for sample in samples:
            for index in range(sampling.n):
                yield self._next(sample, index)

    def stream(self, sample: Sample, sampling: Sampling) -> Stream:
        raise NotImplementedError

    def _next(self, sample: Sample, index: int) -> Completion:
        self.asked.append(sample)
        text = next(self._answers)
        facts = {"sample_id": sample.id, "index": index, "generator": self.name}
        if isinstance(text, Exception):
            return Completion(**facts, finish="error", reason=str(text))
        return Completion(**facts, text=text, code=extract(text, sample.kind))


def fenced(code: str, language: str = "html") -> str:
    return f"Here it is.\n```{language}\n{code}\n```\n"
