"""One category through its stages: each takes all rows that the one before kept, and the journal knows what is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Sample
from viscodex.data.client import ClientAsker, Guarded, StopError
from viscodex.data.pipeline import Ask, Sieve, Work
from viscodex.data.steps import DRAFTS, Plan, Step
from viscodex.data.workshop import LEDGER, Workshop
from viscodex.runner.cache import Cost
from viscodex.runner.llm import Client
from viscodex.runner.ray import RayPool
from viscodex.runner.run import Crew, settle, settle_async
from viscodex.runner.service import Service
from viscodex.runner.shards import Shard
from viscodex.runner.stage import Keep, Reject, Tally, attempt
from viscodex.runner.workers import Pool, WorkerLimits

RUIN = 10  # rows that fail, and none that does not
Watch = Callable[[Tally, int, Cost], None]
"""Hears of every verdict: the stage's tally, how many rows it will see, and what the model has cost so far."""


@dataclass(frozen=True)
class Means:
    """What a build runs on; none of it changes a row."""

    workers: int = 1
    limits: WorkerLimits = field(default_factory=WorkerLimits)
    service: Service | None = None
    ray: str = ""
    watch: Watch = lambda tally, total, cost: None


@dataclass
class Walked:
    """A category whose rows are all settled. `tallies` are per step, drafts first; `lost` says at which key each row
    ended, `before` where the rows that came to a key have their content."""

    plan: Plan
    kept: list[str] = field(default_factory=list)
    content_key: str = ""
    tallies: list[Tally] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def check(self) -> None:
        """seen = kept + rejected + failed, over the whole way too."""
        assert self.tallies[0].seen == len(self.kept) + len(self.lost), self.plan.category
        for before, after in zip(self.tallies, self.tallies[1:], strict=False):
            assert after.seen == before.kept, f"{self.plan.category}: {after.stage}"


def walk(plan: Plan, workshop: Workshop, means: Means, shard: Shard = Shard(), limit: int = 0) -> Walked:
    """Take a category's rows through all its steps, doing only what is missing."""
    walked = Walked(plan, content_key=plan.drafts_key)
    ids = _draw(plan, workshop, means, shard, limit)
    _leave(walked, workshop, plan.drafts_key, DRAFTS, ids)
    for step in plan.steps:
        walked.before[step.key] = walked.content_key
        rows = _Rows(workshop, walked.kept, walked.content_key, step.key)
        started = time.monotonic()
        _refuse_ruin(step, _settle(step, rows, workshop, means))
        walked.seconds[step.name] = time.monotonic() - started
        _leave(walked, workshop, step.key, step.name, walked.kept)
        if step.how != "order":  # a sieve changes no row, and stores none
            walked.content_key = step.key
    walked.check()
    return walked


def _refuse_ruin(step: Step, tally: Tally) -> None:
    """When a stage fails on every row, no row is to blame, and an empty data set would hide it."""
    tally.check()
    if tally.seen == tally.failed.total() >= RUIN:
        reason = tally.failed.most_common(1)[0][0]
        raise VisCodexError(
            f"all {tally.seen} rows failed, with {reason}",
            where=f"stage {step.name}",
            hint="viscodex doctor; afterwards the same command with --retry-failed",
        )


def _draw(plan: Plan, workshop: Workshop, means: Means, shard: Shard, limit: int) -> list[str]:
    """Note every draft, once: a build that goes on does not read its inputs again. The ids, sorted."""
    key, journal = plan.drafts_key, workshop.journal
    if not workshop.has_mark(key):
        tally, ids = Tally(DRAFTS), set()
        for number, (row_id, draft) in enumerate(plan.pipeline.drafts()):
            if limit and number == limit:
                break
            if not shard.holds(row_id):
                continue
            if row_id in ids:
                raise VisCodexError(f'two drafts have the id "{row_id}"', where=f"category {plan.category}")
            ids.add(row_id)
            result = draft if isinstance(draft, Reject) else Keep(_checked(draft, row_id, plan.category))
            content = b"" if isinstance(result, Reject) else workshop.packing.pack(result.row)
            journal.record(key, row_id, result, content)
            tally.seen += 1
            tally.add(result)
            means.watch(tally, 0, Cost())
        workshop.mark(key)
    return [entry.id for entry in journal.entries(key)]


def _checked(draft: Sample, row_id: str, category: str) -> Sample:
    if (draft.id, draft.kind) != (row_id, category):
        raise VisCodexError(f"{category} drew {draft.id}, a sample of {draft.kind}, under the id {row_id}")
    return draft


@dataclass(frozen=True)
class _Rows:
    """The rows that come to a step, unpacked when it has not settled them."""

    workshop: Workshop
    ids: Sequence[str]
    before: str
    key: str

    def __iter__(self) -> Iterator[tuple[str, Sample]]:
        for row_id in self.ids:
            known = self.workshop.journal.look_up(self.key, row_id)
            if known is not None and known.status != "failed":
                yield row_id, None  # type: ignore[misc]  # settled: nobody looks at it
            else:
                yield row_id, self.workshop.sample(self.before, row_id)


def _settle(step: Step, rows: _Rows, workshop: Workshop, means: Means) -> Tally:
    match step.stage:
        case Work(work=work, open=opened):
            with _pool(means, work, opened) as pool:
                return settle(
                    step.key,
                    rows,
                    pool,
                    workshop.journal,
                    packing=workshop.packing,
                    progress=lambda tally: means.watch(tally, len(rows.ids), Cost()),
                )
        case Ask():
            return asyncio.run(_ask(step, step.stage, rows, workshop, means))
        case Sieve():
            return _sift(step, step.stage, rows, workshop)


def _pool(means: Means, work: Any, opened: Any) -> AbstractContextManager[Crew[Sample, Sample]]:
    """Worker processes here, or on a cluster."""
    if means.ray:
        return RayPool(work, open=opened, processes=means.workers, limits=means.limits, address=means.ray)
    return Pool(work, open=opened, processes=means.workers, limits=means.limits)


async def _ask(step: Step, stage: Ask, rows: _Rows, workshop: Workshop, means: Means) -> Tally:
    assert means.service is not None
    async with Client(means.service, workshop.replies, ledger=LEDGER) as client:
        return await settle_async(
            step.key,
            rows,
            Guarded(stage, ClientAsker(client)),
            workshop.journal,
            in_flight=2 * means.service.quota.in_flight,  # so that a row's own work does not leave the service idle
            tries=1,  # the client has tried
            packing=workshop.packing,
            progress=lambda tally: means.watch(tally, len(rows.ids), client.purse.spent),
            stop=(StopError,),
        )


def _sift(step: Step, stage: Sieve, rows: _Rows, workshop: Workshop) -> Tally:
    """A sieve judges all rows anew each time, in order: its verdict on one depends on those before."""
    workshop.journal.forget(step.key)
    memory, tally = stage.memory(), Tally(step.name)
    for row_id in rows.ids:
        result = attempt(lambda sample: memory(sample) or Keep(None), workshop.sample(rows.before, row_id))
        workshop.journal.record(step.key, row_id, result)
        tally.seen += 1
        tally.add(result)
    return tally


def _leave(walked: Walked, workshop: Workshop, key: str, name: str, ids: Sequence[str]) -> None:
    """After a step: who goes on, and who is lost here."""
    tally, kept = Tally(name, seen=len(ids)), []
    for row_id in ids:
        entry = workshop.verdict(key, row_id)
        match entry.status:
            case "kept":
                tally.kept += 1
                kept.append(row_id)
            case "rejected":
                tally.rejected[entry.reason] += 1
                walked.lost[row_id] = key
            case "failed":
                tally.failed[entry.reason] += 1
                walked.lost[row_id] = key
    walked.kept = kept
    tally.check()
    walked.tallies.append(tally)
