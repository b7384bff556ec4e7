"""Stand-ins for a model, to prove a ruler before measuring: the reference itself, and nothing at all."""

from __future__ import annotations

import collections.abc
from collections.abc import Iterable, Iterator

from viscodex.core.sample import Kind, Sample
from viscodex.model.extract import extract
from viscodex.model.generate import Completion, Sampling, Stream

BLANK: dict[Kind, str] = {
    "html": '<!DOCTYPE html>\n<html lang="en">\n<head>\n<title></title>\n</head>\n<body>\n</body>\n</html>',
    "chart": "import matplotlib.pyplot as plt\n\nplt.figure()\nplt.show()",
    "qa": "",
    "algorithm": "",
}
TAGS: dict[Kind, str] = {"html": "html", "chart": "python"}


class Oracle:
    """Answers with the reference response: every benchmark's ceiling. A sample without one finishes by error."""

    name = "oracle"

    def generate(self, samples: Iterable[Sample], sampling: Sampling) -> Iterator[Completion]:
        for sample in samples:
            yield from _repeat(self._answer(sample), sampling)

    def stream(self, sample: Sample, sampling: Sampling) -> Stream:
        return Stream(_whole(self._answer(sample)))

    def _answer(self, sample: Sample) -> Completion:
        if not sample.response:
            return Completion(
                sample_id=sample.id, finish="error", generator=self.name, reason="the sample has no reference response"
            )
        code = extract(sample.response, sample.kind) or sample.response
        return Completion(sample_id=sample.id, text=sample.response, code=code, generator=self.name)


class Blank:
    """Answers with nothing: every benchmark's floor.

    For html that is a page with an empty body, and for chart a script that draws an empty figure, since no page and no
    figure would measure a failure to run; for qa and algorithm it is the empty answer.
    """

    name = "blank"

    def generate(self, samples: Iterable[Sample], sampling: Sampling) -> Iterator[Completion]:
        for sample in samples:
            yield from _repeat(self._answer(sample), sampling)

    def stream(self, sample: Sample, sampling: Sampling) -> Stream:
        return Stream(_whole(self._answer(sample)))

    def _answer(self, sample: Sample) -> Completion:
        code = BLANK[sample.kind]
        text = f"```{TAGS[sample.kind]}\n{code}\n```" if code else ""
        return Completion(sample_id=sample.id, text=text, code=code, generator=self.name)


def _repeat(completion: Completion, sampling: Sampling) -> Iterator[Completion]:
    for index in range(sampling.n):
        yield completion.model_copy(update={"index": index})


def _whole(completion: Completion) -> collections.abc.Generator[str, None, Completion]:
    if completion.text:
        yield completion.text
    return completion
