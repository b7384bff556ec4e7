"""Ask the judge what no rule can score: judgements.jsonl beside the scores. What is judged already costs nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from viscodex.core import console
from viscodex.core.rundir import JsonLines
from viscodex.eval.benchmark import JudgeTask
from viscodex.eval.folder import Task, part_name
from viscodex.eval.judge import Judge
from viscodex.eval.predictions import Place, read_predictions
from viscodex.eval.results import read_judgements
from viscodex.eval.rubric import load_rubric
from viscodex.eval.score import Row, answer_hash, read_rows
from viscodex.eval.store import Store, content_hash
from viscodex.runner.shards import Shard

Key = tuple[Place, str, str, str]
"""The answer's place, the metric, the hash of the answer, the identity of what is asked."""


@dataclass
class Judged:
    """What a pass did: judged already, judged now, and how often the judge could not be understood or reached."""

    already: int = 0
    new: int = 0
    errors: Counter[str] = field(default_factory=Counter)


def judge_answers(task: Task, shard: Shard, store: Store, judge: Judge) -> Judged:
    """Judge every scored answer of a shard that waits for it, and has no judgement of this judge and rubric yet."""
    done = Judged()
    waiting = list(_waiting(task, shard, store, judge, done))
    if not waiting:
        return done
    label = f"{task.benchmark.name}: judgements"
    with (
        JsonLines(task.folder / part_name("judgements", shard)) as file,
        console.progress(label, len(waiting)) as progress,
    ):
        for key, judgement in judge.judge_all(waiting):
            (sample_id, index), metric, answer, asked = key
            place = {"sample_id": sample_id, "index": index, "metric": metric}
            row = {**place, "answer": answer, "asked": asked, **judgement.model_dump(mode="json")}
            file.append(row, sync=True)
            done.new += 1
            if judgement.value is None:
                done.errors[judgement.reason] += 1
            progress.advance(1)
    return done


def _waiting(task: Task, shard: Shard, store: Store, judge: Judge, done: Judged) -> Iterator[tuple[Key, JudgeTask]]:
    answers, judged = read_predictions(task.folder).answers, read_judgements(task.folder)
    samples = {sample.id for sample in task.samples if shard.holds(sample.id)}
    for place, row in sorted(read_rows(task.folder).items()):
        completion = answers.get(place)
        if place[0] not in samples or completion is None or row["answer"] != answer_hash(completion):
            continue
        for asked in store.tasks_of(row):
            identity = _identity(judge, asked)
            known = judged.get(place, {}).get(asked.metric)
            if known and _is_final(known) and (known["answer"], known["asked"]) == (row["answer"], identity):
                done.already += 1
                continue
            yield (place, asked.metric, row["answer"], identity), asked


def _identity(judge: Judge, task: JudgeTask) -> str:
    """Who is asked, with which text, how often and how: another of these is another judgement."""
    how = content_hash(judge.judging.model_dump(exclude={"pass_mark", "samples"}))
    return f"{judge.name} {load_rubric(task.rubric).sha256[:16]} {judge.judging.samples} {how[:8]}"


def _is_final(row: Row) -> bool:
    """An answer that the judge could not be asked about is asked about again."""
    return row["value"] is not None
