"""The second stage: score the answers there are, append to scores.jsonl. What is scored already costs nothing."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from viscodex.core import console
from viscodex.core.errors import VisCodexError
from viscodex.core.rundir import JsonLines, read_json, write_json
from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Benchmark, Outcome, Rules, Score, Scorer
from viscodex.eval.folder import Task, part_name
from viscodex.eval.predictions import Place, read_predictions
from viscodex.eval.store import Store, content_hash, score_key, task_hash
from viscodex.model.generate import Completion
from viscodex.runner.feed import Task as PoolTask
from viscodex.runner.shards import Shard
from viscodex.runner.stage import Fail, Keep, Reject
from viscodex.runner.workers import Pool, WorkerLimits

Row = dict[str, Any]
ROW_SECONDS = 900.0  # longer than any answer's own limits add up to: only a scorer that hangs
ROWS_PER_PROCESS = 500


@dataclass(frozen=True)
class Item:
    """One answer to score; `key` is where its outcome is kept, `environment` the hash of what it depends on.

    `richer` is the key of an outcome that serves as well: with pictures for a judge, where none are wanted.
    """

    sample: Sample
    completion: Completion
    key: str
    environment: str
    richer: str = ""


@dataclass
class Scored:
    """What a pass did: scored already, found in the store, scored now, and faults of ours by kind."""

    already: int = 0
    from_store: int = 0
    new: int = 0
    unscored: Counter[str] = field(default_factory=Counter)


def score(task: Task, shard: Shard, store: Store, workers: int = 1, *, is_judged: bool = True) -> Scored:
    """Score every answer of a shard that has no score yet under today's version and environment.

    Where no judge will look (`is_judged`), pictures may be cheaper; the first pass for a judge then draws them anew.
    """
    answers = read_predictions(task.folder).answers
    asked = {sample.id: sample for sample in task.samples if shard.holds(sample.id)}
    answered = {p: c for p, c in sorted(answers.items()) if p[0] in asked and c.finish != "error"}
    done = Scored()
    if not answered:
        return done
    environment = environment_of(task.benchmark)
    note_environment(task.folder, environment)
    rows = read_rows(task.folder)
    benchmark = task.benchmark
    is_plain = not is_judged and benchmark.open_unjudged is not None
    items = list(_items(benchmark, asked, answered, content_hash(environment), is_plain=is_plain))
    if benchmark.open_unjudged is not None and is_plain:
        benchmark = replace(benchmark, open_scorer=benchmark.open_unjudged)
    fresh = [item for item in items if not _is_done(rows.get(_place(item)), item)]
    done.already = len(items) - len(fresh)
    label = f"{task.benchmark.name}: scores"
    with (
        JsonLines(task.folder / part_name("scores", shard)) as file,
        console.progress(label, len(fresh)) as progress,
    ):
        waiting = []
        for item in fresh:
            key, record = _known(item, store)
            if record is None:
                waiting.append(item)
                continue
            file.append(_row(item, record) | {"key": key})
            done.from_store += 1
            progress.advance(1)
        for item, outcome in outcomes(benchmark, waiting, workers):
            file.append(_row(item, store.put(item.key, outcome)), sync=True)
            done.unscored.update({s.reason for s in outcome.scores if s.status == "unscored"})
            done.new += 1
            progress.advance(1)
    return done


def outcomes(benchmark: Benchmark, items: Sequence[Item], workers: int) -> Iterator[tuple[Item, Outcome]]:
    """Score items in processes of their own, in any order. A fault of ours becomes an unscored outcome."""
    if not items:
        return
    rows = [PoolTask(item.key, item) for item in items]
    limits = WorkerLimits(tries=2, rows=ROWS_PER_PROCESS, row_s=ROW_SECONDS)
    with Pool(score_item, open=benchmark.open_scorer, processes=min(workers, len(items)), limits=limits) as pool:
        for task, result in pool.map(rows):
            yield task.row, result.row if isinstance(result, Keep) else fault(task.row, result)


def score_item(scorer: Scorer, item: Item) -> Keep[Outcome]:
    """One answer's outcome; what it raises is for the pool to count."""
    return Keep(scorer.score(item.sample, item.completion))


def fault(item: Item, failure: Reject | Fail) -> Outcome:
    """An outcome without numbers, for every protocol."""
    sample_id, index = _place(item)
    return Outcome(
        tuple(
            Score(
                sample_id=sample_id,
                index=index,
                protocol=protocol,
                status="unscored",
                reason=failure.reason,
                detail=failure.detail[:500],
            )
            for protocol in get_args(Rules)
        )
    )


def environment_of(benchmark: Benchmark) -> dict[str, str]:
    """What a benchmark's numbers depend on beside code and data, on this machine."""
    with closing(benchmark.open_scorer()) as scorer:
        return {"scorer": f"{benchmark.name} {benchmark.version}", **scorer.environment}


def note_environment(folder: Path, environment: Mapping[str, str]) -> None:
    """Keep the meaning of an environment's hash beside the scores that name it."""
    path = folder / "environments.json"
    known = read_json(path) if path.exists() else {}
    if content_hash(dict(environment)) not in known:
        write_json(path, {**known, content_hash(dict(environment)): dict(environment)})


def read_rows(folder: Path) -> dict[Place, Row]:
    """The rows of all `scores*.jsonl`, the last one for each answer."""
    rows: dict[Place, Row] = {}
    for path in sorted(folder.glob("scores*.jsonl")):
        for row in JsonLines(path):
            try:
                rows[row["sample_id"], row["index"]] = row
            except (TypeError, KeyError) as error:
                raise VisCodexError("a line is no score of ours", where=str(path), hint="move the file away") from error
    return rows


def answer_hash(completion: Completion) -> str:
    """Of what is scored of an answer: its text, and whether it was cut."""
    return hashlib.sha256(f"{completion.finish}\n{completion.text}".encode("utf-8", "surrogatepass")).hexdigest()


def _items(
    benchmark: Benchmark,
    samples: Mapping[str, Sample],
    answered: Mapping[Place, Completion],
    environment: str,
    *,
    is_plain: bool,
) -> Iterator[Item]:
    hashes = {sample_id: task_hash(samples[sample_id]) for sample_id, _ in answered}
    for (sample_id, _), completion in answered.items():
        key = score_key(benchmark.name, benchmark.version, environment, hashes[sample_id], completion)
        plain = content_hash([key, "not for a judge"]) if is_plain else key
        yield Item(samples[sample_id], completion, plain, environment, richer=key if is_plain else "")


def _place(item: Item) -> Place:
    return item.sample.id, item.completion.index


def _known(item: Item, store: Store) -> tuple[str, Row | None]:
    """What the store has for an item, and under which key."""
    for key in filter(None, (item.richer, item.key)):
        if (record := store.get(key)) is not None:
            return key, record
    return item.key, None


def _is_done(row: Row | None, item: Item) -> bool:
    return (
        row is not None
        and row["key"] in (item.key, item.richer)
        and all(s["status"] != "unscored" for s in row["scores"])
    )


def _row(item: Item, record: Row) -> Row:
    """A stored outcome belongs to this answer now: ids are of the run, not of whoever scored it first."""
    place = {"sample_id": item.sample.id, "index": item.completion.index}
    scores = [{**score, **place} for score in record["scores"]]
    known = {"key": item.key, "environment": item.environment, "answer": answer_hash(item.completion)}
    return {**place, **known, **record, "scores": scores}
