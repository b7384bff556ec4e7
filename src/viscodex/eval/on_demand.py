"""Scores for answers that come one by one, for a framework that asks for a score at a time and has its own loop.

`score.py` has all answers before it begins. Here scorers wait, each in a process of its own, for the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, LifoQueue

from viscodex.core.errors import VisCodexError, visible
from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Benchmark, Rules, Score, Scorer
from viscodex.eval.score import ROW_SECONDS, ROWS_PER_PROCESS
from viscodex.model.extract import extract
from viscodex.model.generate import Completion
from viscodex.runner.feed import Task as PoolTask
from viscodex.runner.stage import Fail, Keep, Reject
from viscodex.runner.workers import Pool, WorkerLimits

LIMITS = WorkerLimits(tries=2, rows=ROWS_PER_PROCESS, row_s=ROW_SECONDS)


@dataclass(frozen=True)
class Asked:
    """One answer to score, its code not yet taken out of it."""

    sample: Sample
    completion: Completion


@dataclass(frozen=True)
class Answered:
    """Scores by protocol, without pictures and what a judge would see, and the environment they depend on."""

    scores: tuple[Score, ...]
    environment: Mapping[str, str]


class ScorersOnDemand:
    """Up to `workers` scorers of a benchmark, opened when they are needed.

    Any number of threads may ask for a score; those beyond `workers` wait. A scorer that raises, dies or hangs costs
    the one answer its score, and what cannot be opened is tried again for the next answer.
    """

    def __init__(self, benchmark: Benchmark, workers: int) -> None:
        self._benchmark = benchmark
        self._idle: LifoQueue[Pool[Asked, Answered] | None] = LifoQueue()  # last in, first out: few processes if few do
        for _ in range(workers):
            self._idle.put(None)

    def score(self, sample: Sample, completion: Completion, protocol: Rules) -> tuple[Score, Mapping[str, str]]:
        """The score of one answer under one protocol, with the scorer's environment. Waits; never raises."""
        result = self._ask(PoolTask(sample.id, Asked(sample, completion)))
        if isinstance(result, Keep):
            for score in result.row.scores:
                if score.protocol == protocol:
                    return score, result.row.environment
            result = Fail("no_score", f"the scorer gave no score for the protocol {protocol}")
        return _unscored(completion, protocol, result), {}

    def close_idle(self) -> None:
        """End the scorers that have nothing to do, with all they started; the next answer opens one again."""
        idle = []
        with suppress(Empty):
            while True:
                idle.append(self._idle.get_nowait())
        try:
            for pool in idle:
                if pool is not None:
                    pool.close()
        finally:
            for _ in idle:
                self._idle.put(None)

    @property
    def has_idle(self) -> bool:
        """Whether a scorer is open that has nothing to do."""
        return any(pool is not None for pool in list(self._idle.queue))

    def _ask(self, task: PoolTask[Asked]) -> Keep[Answered] | Reject | Fail:
        pool = self._idle.get()
        try:
            pool = pool or Pool(_score, open=self._benchmark.open_scorer, processes=1, limits=LIMITS)
            ((_, result),) = pool.map([task])
        except VisCodexError as error:  # no worker could start
            return Fail("no_scorer", str(error))
        except Exception as error:  # noqa: BLE001  # whatever else breaks is ours, and must not end the caller's run
            return Fail(type(error).__name__, str(error))
        else:
            return result
        finally:
            self._idle.put(pool)


def _score(scorer: Scorer, asked: Asked) -> Keep[Answered]:
    """In the scorer's process, where code is taken out of long answers at nobody's cost."""
    code = extract(asked.completion.text, asked.sample.kind)
    outcome = scorer.score(asked.sample, asked.completion.model_copy(update={"code": code}))
    return Keep(Answered(outcome.scores, dict(scorer.environment)))


def _unscored(completion: Completion, protocol: Rules, result: Reject | Fail) -> Score:
    return Score(
        sample_id=completion.sample_id,
        index=completion.index,
        protocol=protocol,
        status="unscored",
        reason=result.reason,
        detail=visible(result.detail, 500),
    )
