"""The four benchmarks as tasks of Inspect AI: `inspect eval viscodex/design2code --model …` (extra `inspect`).

Inspect asks the model and keeps the log. Tasks, scorers and numbers are those of `viscodex eval`:

    failed      0 in every metric that the question has, and the reason: it counts
    unscored    `Score.unscored`: NaN, which Inspect counts and leaves out of every mean
    None        NaN for this metric alone: not measured here, or no matter of this question

`inspect score LOG --scorer viscodex/design2code` scores a log (again), here or on another machine.
Nothing of ours imports this file; Inspect finds it by the entry point in pyproject.toml.
"""

from __future__ import annotations

import base64
import io
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, get_args

import PIL.Image
from anyio import CapacityLimiter, to_thread
from inspect_ai import Task, task
from inspect_ai._util.error import PrerequisiteError  # what Inspect prints without a traceback
from inspect_ai.dataset import MemoryDataset
from inspect_ai.dataset import Sample as InspectSample
from inspect_ai.hooks import Hooks, TaskEnd, hooks
from inspect_ai.model import ChatMessageUser, Content, ContentImage, ContentText, GenerateConfig, ModelOutput
from inspect_ai.scorer import Score as InspectScore
from inspect_ai.scorer import Scorer as InspectScorer
from inspect_ai.scorer import Target, mean, scorer, stderr
from inspect_ai.solver import TaskState, generate
from rich.markup import escape

from viscodex.core.errors import UsageError, VisCodexError, did_you_mean
from viscodex.core.sample import Image, Sample
from viscodex.eval.benchmark import NAMES, Benchmark, Rules, Score, Suite, benchmark
from viscodex.eval.folder import suite_hash
from viscodex.eval.on_demand import ScorersOnDemand
from viscodex.eval.results import groups_of_sample
from viscodex.model.generate import Completion, Finish

TAKEN_EVERYWHERE = ("image/png", "image/jpeg", "image/webp", "image/gif")
"""Formats that every provider takes; other pictures are sent as PNG."""


def benchmark_task(
    name: str, path: str | None, protocol: Rules = "fixed", judge: str | None = None, workers: int | None = None
) -> Task:
    """A benchmark as a task. `path`: its published files, else our bundled samples; `workers`: scorers at a time.

    `judge` is to come: until then judged metrics are left out, and the columns that need them.
    """
    with _as_a_page():
        _refuse(protocol, judge)
        ours = benchmark(name)
        suite = _suite(name, path)
        data = [_inspect_sample(ours, sample) for sample in suite.samples]
    return Task(
        dataset=MemoryDataset(data, name=name, location=suite.source),
        solver=generate(),
        scorer=scorer_of(name)(path, protocol, judge, workers),
        metrics={metric: [mean(), stderr()] for metric in _reported(ours)},
        config=GenerateConfig(max_tokens=ours.max_new_tokens, temperature=0.0),
        version=ours.version,
        metadata=_metadata(suite, protocol),
    )


@cache
def scorer_of(name: str) -> Callable[..., InspectScorer]:
    """The scorer of a benchmark, `viscodex/NAME` to Inspect. It scores in other processes, and never raises."""

    def make(
        path: str | None = None, protocol: Rules = "fixed", judge: str | None = None, workers: int | None = None
    ) -> InspectScorer:
        with _as_a_page():
            _refuse(protocol, judge)
            ours = benchmark(name)

        async def score(state: TaskState, target: Target) -> InspectScore:
            if state.output.error:
                return InspectScore.unscored(reason="generation_error", explanation=state.output.error)
            scorers, limiter = _scorers(name, workers or max(1, min(4, (os.cpu_count() or 1) // 2)))

            def work() -> InspectScore:
                sample = _sample(name, path, str(state.sample_id))
                return _inspect_score(ours, *scorers.score(sample, _completion(state), protocol))

            try:
                return await to_thread.run_sync(work, limiter=limiter, abandon_on_cancel=True)
            except Exception as error:  # noqa: BLE001  # Inspect would end the run
                return InspectScore.unscored(reason=type(error).__name__, explanation=str(error))

        return score

    made: Callable[..., InspectScorer] = scorer(metrics={"*": [mean(), stderr()]}, name=name)(make)
    return made


def _task_of(name: str) -> Callable[..., Task]:
    scorer_of(name)  # so that `inspect score` finds it

    def make(
        path: str | None = None, protocol: Rules = "fixed", judge: str | None = None, workers: int | None = None
    ) -> Task:
        return benchmark_task(name, path, protocol, judge, workers)

    made: Callable[..., Task] = task(name=name)(make)
    return made


def _inspect_score(ours: Benchmark, score: Score, environment: Mapping[str, str]) -> InspectScore:
    """Ours as Inspect's: a value per reported number, and all that we know beside."""
    told: dict[str, Any] = {
        "explanation": ": ".join(filter(None, [score.reason, score.detail])) or None,
        "metadata": {**score.model_dump(exclude={"sample_id", "index"}), "environment": dict(environment)},
    }
    if score.status == "unscored":
        return InspectScore.unscored(reason=score.reason, **told)
    values = {number: _value(score, metrics) for number, metrics in _reported(ours).items()}
    return InspectScore(value=values, reason=score.reason or None, **told)


def _reported(ours: Benchmark) -> dict[str, tuple[str, ...]]:
    """Number → the metrics whose mean it is: the columns, then the metrics that are no column by themselves.

    Without a judge nothing is left of what needs one, not even the zeros of answers that failed.
    """
    judged = {metric.name for metric in ours.metrics if metric.judged}
    columns = {name: metrics for name, metrics in ours.columns.items() if not judged.intersection(metrics)}
    alone = {metrics[0] for metrics in columns.values() if len(metrics) == 1}
    others = [metric.name for metric in ours.metrics if metric.name not in judged | alone]
    return columns | {name: (name,) for name in others}


def _value(score: Score, metrics: tuple[str, ...]) -> float:
    """The mean of some metrics; NaN when one of them is not measured, or no matter of this question."""
    found = [score.values.get(metric) for metric in metrics]
    known = [value for value in found if value is not None]
    return math.fsum(known) / len(known) if len(known) == len(found) else math.nan


def _completion(state: TaskState) -> Completion:
    return Completion(
        sample_id=str(state.sample_id),
        text=state.output.completion,
        finish=_finish(state.output),
        generator=str(state.model),
        index=state.epoch - 1,
    )


def _finish(output: ModelOutput) -> Finish:
    return "length" if output.stop_reason in ("max_tokens", "model_length") else "stop"


@lru_cache(maxsize=8)
def _suite(name: str, path: str | None) -> Suite:
    """A benchmark's samples, read once for task and scorer. Raises VisCodexError when two have one id."""
    suite = benchmark(name).load(Path(path).expanduser() if path else None)
    if not suite.samples:
        raise VisCodexError(f"{name} has no samples", where=suite.source)
    if len({sample.id for sample in suite.samples}) < len(suite.samples):
        raise VisCodexError(f"two samples of {name} have one id", where=suite.source)
    return suite


@lru_cache(maxsize=8)
def _by_id(name: str, path: str | None) -> dict[str, Sample]:
    return {sample.id: sample for sample in _suite(name, path).samples}


def _sample(name: str, path: str | None, sample_id: str) -> Sample:
    """Our sample of Inspect's; another data set than the log's may not have it."""
    found = _by_id(name, path).get(sample_id)
    if found is None:
        raise VisCodexError(f"{name} has no sample {sample_id}", where=path or "bundled")
    return found


def _inspect_sample(ours: Benchmark, sample: Sample) -> InspectSample:
    content: list[Content] = [
        ContentImage(image=_data_uri(part)) if isinstance(part, Image) else ContentText(text=part)
        for part in sample.prompt
    ]
    groups = {group: ", ".join(values) for group, values in groups_of_sample(ours, sample).items()}
    return InspectSample(
        input=[ChatMessageUser(content=content)], target=sample.response, id=sample.id, metadata=groups
    )


def _data_uri(image: Image) -> str:
    data = image.read()
    try:
        with PIL.Image.open(io.BytesIO(data)) as picture:
            mime = picture.get_format_mimetype()
    except OSError:
        mime = None  # `load` says what is wrong with it
    if mime not in TAKEN_EVERYWHERE:
        file = io.BytesIO()
        image.load().save(file, "PNG")
        mime, data = "image/png", file.getvalue()
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def _metadata(suite: Suite, protocol: Rules) -> dict[str, Any]:
    """What a reader of the log must know of the data."""
    return {
        "protocol": protocol,
        "source": suite.source,
        "samples": len(suite.samples),
        "rejected": len(suite.rejected),
        "full_size": suite.full_size,
        "sha256": suite_hash(suite.samples),
    }


def _refuse(protocol: str, judge: str | None) -> None:
    """Before anything is asked of a model."""
    if protocol not in get_args(Rules):
        raise UsageError(f'no protocol "{protocol}"', hint=did_you_mean(protocol, get_args(Rules)))
    if judge:
        raise UsageError("judged metrics are not there yet in Inspect", hint="viscodex eval … --judge URL")


@contextmanager
def _as_a_page() -> Iterator[None]:
    """Errors that a user can act on reach the user without a traceback."""
    try:
        yield
    except VisCodexError as error:
        raise PrerequisiteError(escape(str(error))) from error


@cache
def _scorers(name: str, workers: int) -> tuple[ScorersOnDemand, CapacityLimiter]:
    """A benchmark's scorers, shared by the tasks of this process (one per model, say), and so many threads."""
    _close_scorers_when_a_task_ends()
    scorers = ScorersOnDemand(benchmark(name), workers)
    _all_scorers.append(scorers)
    return scorers, CapacityLimiter(workers)


_all_scorers: list[ScorersOnDemand] = []


def _close_idle() -> None:
    for scorers in _all_scorers:
        scorers.close_idle()


@cache
def _close_scorers_when_a_task_ends() -> None:
    """Registered with the first answer to score, so that evaluations of others carry no hook of ours.

    A scorer that another task still needs is opened again. What `inspect score` opened ends with its process.
    """

    @hooks(name="close_scorers", description="Ends viscodex's browsers and sandboxes when a task ends.")
    class CloseScorers(Hooks):  # type: ignore[misc]
        def enabled(self) -> bool:
            return any(scorers.has_idle for scorers in _all_scorers)

        async def on_task_end(self, data: TaskEnd) -> None:
            await to_thread.run_sync(_close_idle)


design2code, chartmimic, mmcode, infibench = map(_task_of, NAMES)
