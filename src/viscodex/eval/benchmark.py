"""The nouns of measuring: a benchmark is data and plain functions; a scorer turns one answer into scores.

    samples ─generate─► completions ─Scorer.score─► Outcome(scores, pictures) ─aggregate─► columns

Every benchmark is a package `eval/NAME/` whose `__init__` offers one `BENCHMARK`; `benchmark(NAME)` imports it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from viscodex.core.errors import UsageError, did_you_mean
from viscodex.core.sample import Kind, Rejection, Sample
from viscodex.model.generate import Completion

Rules = Literal["fixed", "paper"]
"""The protocol. fixed: right, our default. paper: the published evaluator, bug for bug, to compare with its numbers."""

Status = Literal["scored", "failed", "unscored"]
"""failed: the answer did not run, or is none; its values are the benchmark's floor, and it counts. unscored: our
browser, sandbox, judge or generator failed; no number, never 0, listed, and done again by the next run."""

NAMES = ("design2code", "chartmimic", "mmcode", "infibench")
ALIASES = {"infibench-v": "infibench"}
"""InfiBench's scorer without files of its own measures our suite of InfiBench-V."""


class Score(BaseModel):
    """What one answer is worth under one protocol. `values` holds every metric in [0, 1]; None: not measured.

    `reason` is a word that can be counted ("timeout"), `detail` a line for people, `evidence` plain data for reports.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sample_id: str
    index: int = 0
    protocol: Rules = "fixed"
    status: Status = "scored"
    values: dict[str, float | None] = Field(default_factory=dict)
    reason: str = ""
    detail: str = ""
    evidence: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(value is not None and not 0.0 <= value <= 1.0 for value in self.values.values()):
            raise ValueError(f"values lie in [0, 1]: {self.values}")
        if self.status == "unscored" and any(value is not None for value in self.values.values()):
            raise ValueError("what is unscored has no values")
        if self.status != "scored" and not self.reason:
            raise ValueError(f"{self.status} needs a reason")
        return self


@dataclass(frozen=True)
class JudgeTask:
    """What a judge is asked about one answer: a rubric (a versioned file), texts by slot name, pictures in order.

    The judgement becomes the value of `metric`.
    """

    metric: str
    rubric: str
    texts: Mapping[str, str] = field(default_factory=dict)
    pictures: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """All that scoring one answer gave: a score per protocol, PNGs to look at by name ("answer", "reference", …).

    `judge` holds what is left for the judge; its metrics are None in `scores` until then.
    """

    scores: tuple[Score, ...]
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    judge: tuple[JudgeTask, ...] = ()


class Scorer(Protocol):
    """Scores answers, one at a time, in a process of its own. Holds what is dear to start: browser, zygote, weights.

    `environment` says what the numbers depend on beside code and data (versions of browser, fonts, matplotlib,
    runtimes, weights); its hash goes into every result. `score` raises only for faults of ours: they become `unscored`.
    """

    environment: Mapping[str, str]

    def score(self, sample: Sample, completion: Completion) -> Outcome: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Metric:
    """A number per answer. `judged`: only with a judge. `needs` names what must be there, else the value is None."""

    name: str
    title: str
    judged: bool = False
    needs: str = ""


@dataclass(frozen=True)
class Deviation:
    """Where `fixed` differs from the published evaluator, numbered for good: `D2C-003`."""

    id: str
    paper: str
    fixed: str


@dataclass(frozen=True)
class Suite:
    """The tasks of a benchmark as read from files, what could not be read, and how many the full set has."""

    samples: tuple[Sample, ...]
    rejected: tuple[Rejection, ...] = ()
    source: str = "bundled"
    full_size: int = 0


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: how its tasks are read, how answers are scored, which means make the paper's columns.

    `load(None)` gives the bundled samples of our own; `load(path)` reads the published files. `version` changes when
    scores may shift. `columns`: name → metrics whose mean it is. `groups`: breakdowns, such as category: the value of
    a sample, or several (tags). `settle`: what else of a score follows once the judge's value is there. `extra`:
    numbers over all scores of one protocol that are no means (pass@k). `open_unjudged`: a scorer that gives the same
    values, and cheaper pictures that no judge can look at closely; where there is none, `open_scorer` is for all.
    """

    name: str
    title: str
    version: str
    kind: Kind
    metrics: tuple[Metric, ...]
    columns: Mapping[str, tuple[str, ...]]
    load: Callable[[Path | None], Suite]
    open_scorer: Callable[[], Scorer]
    deviations: tuple[Deviation, ...] = ()
    max_new_tokens: int = 4096
    groups: Callable[[Sample], Mapping[str, str | Sequence[str]]] = lambda sample: {}
    settle: Callable[[Score], Score] = lambda score: score
    extra: Callable[[tuple[Score, ...]], Mapping[str, float]] = lambda scores: {}
    open_unjudged: Callable[[], Scorer] | None = None

    def floor(self) -> dict[str, float | None]:
        """The values of an answer that did not run: 0 for every metric, judged ones too."""
        return {metric.name: 0.0 for metric in self.metrics}


def named(name: str) -> str:
    """The one name of a benchmark."""
    return ALIASES.get(name, name)


def benchmark(name: str) -> Benchmark:
    """The benchmark of a name; its package is imported now, not before."""
    if name not in NAMES:
        raise UsageError(f'no benchmark "{name}"', hint=did_you_mean(name, NAMES))
    found = importlib.import_module(f"viscodex.eval.{name}").BENCHMARK
    assert isinstance(found, Benchmark)
    return found
