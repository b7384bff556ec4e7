"""Picture in, program out: answers to tasks, the best of several, run if wanted; and what is told of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viscodex.core.rundir import atomic_write
from viscodex.core.sample import Sample
from viscodex.model.generate import Completion, Generator, Sampling
from viscodex.serve.candidates import Candidate, best, look
from viscodex.serve.outcome import SUFFIX


@dataclass(frozen=True)
class Written:
    """A task, its answers in their order, and the one that was chosen."""

    sample: Sample
    candidates: tuple[Candidate, ...]
    chosen: Candidate

    @property
    def completion(self) -> Completion:
        return self.chosen.completion

    def facts(self) -> dict[str, Any]:
        """As JSON: the chosen answer's fields, and what became of each answer that was run."""
        found = {"kind": self.sample.kind, **self.completion.model_dump()}
        if self.chosen.outcome:
            found["run"] = _outcome(self.chosen)
        if len(self.candidates) > 1:
            found["candidates"] = [
                {"index": one.completion.index, "finish": one.completion.finish, **_outcome(one)}
                for one in self.candidates
            ]
        return found


def write(
    generator: Generator, samples: Sequence[Sample], sampling: Sampling, *, runs: bool = False
) -> Iterator[Written]:
    """Each task's answer as soon as all of its candidates are there. Several are run to find the best."""
    waiting: dict[str, list[Completion]] = {sample.id: [] for sample in samples}
    by_id = {sample.id: sample for sample in samples}
    for completion in generator.generate(samples, sampling):
        answers = waiting[completion.sample_id]
        answers.append(completion)
        if len(answers) == sampling.n:
            answers.sort(key=lambda one: one.index)
            yield judged(by_id[completion.sample_id], answers, runs=runs or sampling.n > 1)


def judged(sample: Sample, completions: Sequence[Completion], *, runs: bool) -> Written:
    """The best of some answers."""
    candidates = tuple(look(sample, one) if runs else Candidate(one) for one in completions)
    return Written(sample, candidates, best(candidates))


def save(written: Written, folder: Path, *, raw: bool = False) -> list[Path]:
    """FOLDER/NAME.html (or .py, .txt), and beside it NAME.run.png, the picture that the code made."""
    name = written.sample.id
    text = written.completion.text if raw else written.completion.code
    files = {folder / f"{name}{SUFFIX[written.sample.kind]}": f"{text}\n".encode()}
    if written.chosen.outcome and written.chosen.outcome.png:
        files[folder / f"{name}.run.png"] = written.chosen.outcome.png
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        atomic_write(path, content)
    return list(files)


def _outcome(candidate: Candidate) -> dict[str, Any]:
    outcome = candidate.outcome
    if outcome is None:
        return {"status": "not_run"}
    found: dict[str, Any] = {"status": outcome.status, "reason": outcome.reason, "output": outcome.output}
    return found | {"similarity": round(candidate.likeness.value, 4) if candidate.likeness else None}
