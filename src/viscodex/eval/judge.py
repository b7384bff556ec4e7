"""A judge: a language model that is shown a rubric, an answer and pictures, and gives a value in [0, 1].

    judge = Judge(ThreadedClient(service, cache, ledger="judge"), Judging(samples=3))
    for key, judgement in judge.judge_all((sample_id, task) for …): ...

Every reply goes through the client's cache: the same tasks judged again give the same numbers, without a network.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from viscodex.core.chat import AskError, Message, Reply, Request
from viscodex.eval.benchmark import JudgeTask
from viscodex.eval.judgement import Judgement, flip_rate, spread
from viscodex.eval.rubric import Rubric, load_rubric
from viscodex.eval.verdict import UnreadableError
from viscodex.runner.threaded import ThreadedClient

K = TypeVar("K")


class Judging(BaseModel):
    """How a judge is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int = Field(default=1, ge=1, le=25, description="Judgements per answer; their median counts.")
    temperature: float | None = Field(default=0.0, ge=0, description="None: not sent, for services that refuse it.")
    seed: int | None = Field(default=0, description="Of the first sample, the next ones count on; None: not sent.")
    max_tokens: int = Field(default=2048, ge=1, description="Of a reply, its reasons included.")
    repairs: int = Field(default=2, ge=0, description="How often a reply that cannot be read is asked for again.")
    structured: bool = Field(default=True, description="Let the service enforce the JSON schema, where there is one.")
    pass_mark: float = Field(default=0.5, ge=0, le=1, description="Where samples are said to flip.")


@dataclass
class _Sample:
    """One judgement in the making: its value, or why there is none, and all that was said."""

    value: float | None = None
    reason: str = ""
    detail: str = ""
    replies: list[Reply] = field(default_factory=list)


class Judge:
    """Judges tasks, many at a time. Only faults of ours raise; whatever the service does ends in a `Judgement`."""

    def __init__(
        self, client: ThreadedClient, judging: Judging = Judging(), *, rubrics: Traversable | None = None
    ) -> None:
        self.client = client
        self.judging = judging
        self.rubrics = rubrics
        self.name = client.model
        self._known: dict[str, Rubric] = {}

    def judge(self, task: JudgeTask) -> Judgement:
        """One judgement."""
        ((_, judgement),) = self.judge_all([("", task)])
        return judgement

    def judge_all(self, tasks: Iterable[tuple[K, JudgeTask]]) -> Iterator[tuple[K, Judgement]]:
        """Judgements as they come, beside the keys of their tasks."""
        for (key, _), judgement in self.client.each(self._judge, tasks):
            yield key, judgement

    def request(self, task: JudgeTask, index: int = 0) -> Request:
        """What is asked first: the task's pictures in order, then the filled rubric."""
        rubric = self._rubric(task)
        question = Message("user", (*task.pictures, rubric.fill(task.texts)))
        return self._request(rubric, (question,), index)

    def _rubric(self, task: JudgeTask) -> Rubric:
        if task.rubric not in self._known:
            self._known[task.rubric] = load_rubric(task.rubric, self.rubrics)
        return self._known[task.rubric]

    async def _judge(self, item: tuple[K, JudgeTask]) -> Judgement:
        task = item[1]
        rubric = self._rubric(task)
        samples = [await self._sample(rubric, self.request(task, index)) for index in range(self.judging.samples)]
        return self._together(rubric, samples)

    async def _sample(self, rubric: Rubric, request: Request) -> _Sample:
        sample = _Sample()
        for _ in range(1 + self.judging.repairs):
            try:
                reply = await self.client.client.ask(request)
            except AskError as error:
                sample.reason, sample.detail = error.fault, error.problem
                return sample
            sample.replies.append(reply)
            try:
                sample.value = _read(rubric, reply)
                return sample
            except UnreadableError as error:
                sample.reason, sample.detail = "unreadable", str(error)
                request = self._repair(rubric, request, reply, str(error))
        return sample

    def _repair(self, rubric: Rubric, request: Request, reply: Reply, problem: str) -> Request:
        """The conversation so far, and what was wrong with the last reply."""
        said = Message("assistant", (reply.text if reply.text.strip() else "(nothing)",))
        wish = Message("user", (f"Your reply cannot be read: {problem}. {rubric.reader.again}",))
        return self._request(rubric, (*request.messages, said, wish), request.index)

    def _request(self, rubric: Rubric, messages: tuple[Message, ...], index: int) -> Request:
        judging, schema = self.judging, rubric.reader.schema
        params: dict[str, Any] = {"max_tokens": judging.max_tokens}
        if judging.temperature is not None:
            params["temperature"] = judging.temperature
        if judging.seed is not None:
            params["seed"] = judging.seed + index
        if schema is not None and judging.structured:
            strict = {"name": rubric.reply, "strict": True, "schema": schema}
            params["response_format"] = {"type": "json_schema", "json_schema": strict}
        return Request(self.name, messages, params, index, tag=f"{rubric.version} {rubric.sha256}")

    def _together(self, rubric: Rubric, samples: list[_Sample]) -> Judgement:
        """The median, if more than half of the samples could be read: fewer would be a choice among answers."""
        values = [sample.value for sample in samples if sample.value is not None]
        is_judged = 2 * len(values) > len(samples)
        failed = next((sample for sample in samples if sample.value is None), _Sample())
        replies = [reply for sample in samples for reply in sample.replies]
        return Judgement(
            value=statistics.median(values) if is_judged else None,
            status="judged" if is_judged else "judge_error",
            reason="" if is_judged else failed.reason,
            detail="" if is_judged else failed.detail,
            samples=tuple(sample.value for sample in samples),
            spread=spread(values),
            flip_rate=flip_rate(values, self.judging.pass_mark),
            replies=tuple(reply.text for reply in replies),
            judge=self.name,
            rubric=rubric.version,
            rubric_sha256=rubric.sha256,
            prompt_tokens=sum(reply.prompt_tokens for reply in replies),
            completion_tokens=sum(reply.completion_tokens for reply in replies),
        )


def _read(rubric: Rubric, reply: Reply) -> float:
    if reply.finish == "length":  # "Score: 8" may be the beginning of 85
        raise UnreadableError("the reply was cut off; be shorter")
    return rubric.reader.read(reply.text)
