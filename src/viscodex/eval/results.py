"""From files to one score for every answer that was asked for: nothing is left out of the denominator unsaid."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

from viscodex.core.rundir import JsonLines
from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Benchmark, Rules, Score, Status
from viscodex.eval.folder import Task
from viscodex.eval.predictions import Place, Predictions, read_predictions
from viscodex.eval.score import Row, answer_hash, read_rows
from viscodex.eval.stats import Estimate, estimate
from viscodex.eval.store import scores_of


@dataclass(frozen=True)
class Results:
    """Everything about one benchmark of a run. `scores[protocol]` has one entry per sample and answer, in order."""

    task: Task
    answers_per_sample: int
    scores: Mapping[Rules, Sequence[Score]]
    predictions: Predictions
    pictures: Mapping[Place, Mapping[str, str]]
    truncated: int
    judgements: Sequence[Row] = ()
    """Of the answers as they are now, the last one for each metric."""

    def score(self, protocol: Rules, place: Place) -> Score:
        """The score of one answer."""
        return self._by_place[protocol][place]

    @cached_property
    def _by_place(self) -> dict[Rules, dict[Place, Score]]:
        return {rules: {(s.sample_id, s.index): s for s in scores} for rules, scores in self.scores.items()}

    def counts(self, protocol: Rules) -> dict[str, int]:
        """scored, failed, unscored; together all that was asked."""
        found = Counter(score.status for score in self.scores[protocol])
        return {status: found[status] for status in ("scored", "failed", "unscored")}

    def reasons(self, protocol: Rules, status: str) -> dict[str, int]:
        """Why answers failed, or were not scored; the most frequent first."""
        found = Counter(score.reason for score in self.scores[protocol] if score.status == status)
        return dict(found.most_common())

    def column(self, protocol: Rules, metrics: Sequence[str], among: set[str] | None = None) -> Estimate | None:
        """The mean over samples of the mean of some metrics; None when any of them is not measured."""
        scores = self.scores[protocol]
        if not all(_is_measured(scores, metric) for metric in metrics):
            return None
        return estimate(list(sample_values(scores, metrics, among).values()), seed=0)


def collect(task: Task, answers_per_sample: int) -> Results:
    """Read answers and scores of a benchmark folder, and give every place its score."""
    predictions, rows, judged = read_predictions(task.folder), read_rows(task.folder), read_judgements(task.folder)
    used: list[Row] = []
    scores: dict[Rules, list[Score]] = {"fixed": [], "paper": []}
    pictures: dict[Place, Mapping[str, str]] = {}
    truncated = 0
    for sample in task.samples:
        for index in range(answers_per_sample):
            place = sample.id, index
            completion = predictions.answers.get(place)
            row = rows.get(place)
            said = [j for j in judged.get(place, {}).values() if completion and j["answer"] == answer_hash(completion)]
            used += said
            for score in _scores(task.benchmark, place, predictions, row):
                scores[score.protocol].append(with_judgements(task.benchmark, score, said))
            if row is not None and completion is not None and row["answer"] == answer_hash(completion):
                pictures[place] = row["pictures"]
            truncated += completion is not None and completion.finish == "length"
    return Results(task, answers_per_sample, scores, predictions, pictures, truncated, used)


def with_judgements(benchmark: Benchmark, score: Score, judgements: Sequence[Row]) -> Score:
    """A score with the judge's values in the metrics that wait for them."""
    waiting = {j["metric"]: j["value"] for j in judgements if score.values.get(j["metric"], 0.0) is None}
    if score.status != "scored" or not waiting:
        return score
    return benchmark.settle(score.model_copy(update={"values": {**score.values, **waiting}}))


def read_judgements(folder: Path) -> dict[Place, dict[str, Row]]:
    """Answer → metric → the last judgement in judgements*.jsonl."""
    found: dict[Place, dict[str, Row]] = {}
    for path in sorted(folder.glob("judgements*.jsonl")):
        for row in JsonLines(path):
            found.setdefault((row["sample_id"], row["index"]), {})[row["metric"]] = row
    return found


def sample_values(scores: Sequence[Score], metrics: Sequence[str], among: set[str] | None = None) -> dict[str, float]:
    """Sample id → mean over its answers of the mean of some metrics. Unscored answers are left out.

    A metric that was not measured (None) leaves its answer out, too: the report says how many were.
    """
    values: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        found = [score.values.get(metric) for metric in metrics]
        known = [value for value in found if value is not None]
        if score.status != "unscored" and len(known) == len(found) and (among is None or score.sample_id in among):
            values[score.sample_id].append(math.fsum(known) / len(known))
    return {sample_id: math.fsum(some) / len(some) for sample_id, some in values.items()}


def _is_measured(scores: Sequence[Score], metric: str) -> bool:
    """Whether a metric has a value in any answer that ran, if one did: the zeros of those that did not are no mean."""
    ran = [score for score in scores if score.status == "scored"]
    return not ran or any(score.values.get(metric) is not None for score in ran)


def groups_of(task: Task) -> dict[str, dict[str, set[str]]]:
    """Group → value → ids of its samples."""
    found: dict[str, dict[str, set[str]]] = {}
    for sample in task.samples:
        for group, values in groups_of_sample(task.benchmark, sample).items():
            for value in values:
                found.setdefault(group, {}).setdefault(value, set()).add(sample.id)
    return found


def groups_of_sample(benchmark: Benchmark, sample: Sample) -> dict[str, tuple[str, ...]]:
    """Group → the sample's values in it."""
    groups = benchmark.groups(sample)
    return {group: (value,) if isinstance(value, str) else tuple(value) for group, value in groups.items()}


def _scores(benchmark: Benchmark, place: Place, predictions: Predictions, row: Row | None) -> Sequence[Score]:
    """Both protocols' scores of one place."""
    completion = predictions.answers.get(place)
    if completion is None:
        return _twice(place, "failed", "missing", "", benchmark.floor())
    if completion.finish == "error":
        return _twice(place, "unscored", "generation_error", completion.reason)
    if row is None or row["answer"] != answer_hash(completion):
        return _twice(place, "unscored", "not_scored", "run: viscodex eval score")
    return scores_of(row)


def _twice(
    place: Place, status: Status, reason: str, detail: str, values: Mapping[str, float | None] | None = None
) -> list[Score]:
    """The same for both protocols."""
    return [
        Score(
            sample_id=place[0],
            index=place[1],
            protocol=rules,
            status=status,
            reason=reason,
            detail=detail[:500],
            values=dict(values or {}),
        )
        for rules in get_args(Rules)
    ]
