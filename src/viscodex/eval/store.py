"""What scoring an answer gave, kept by content: the same answer to the same task is never scored twice.

    STORE/ab/abcdef….json        scores of all protocols, what is left to judge, names of pictures
    STORE/pictures/ab/abcd….png

The key covers the benchmark, its version, the environment, the task and the answer. What is unscored is not kept.
Files are written whole or not at all, so several processes and machines can share a store.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from viscodex.core.errors import VisCodexError
from viscodex.core.rundir import atomic_write, cache_folder, read_json
from viscodex.core.sample import Image, Sample
from viscodex.eval.benchmark import JudgeTask, Outcome, Score
from viscodex.model.generate import Completion

FORMAT = 1


def default_store() -> Path:
    """In the user's cache."""
    return cache_folder() / "scores"


def content_hash(value: Any) -> str:
    """SHA-256 of plain data as sorted JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def task_hash(sample: Sample) -> str:
    """Of everything in a task that a scorer can look at, its pictures by their bytes."""
    parts = [hashlib.sha256(part.read()).hexdigest() if isinstance(part, Image) else part for part in sample.prompt]
    return content_hash([sample.kind, parts, sample.response, sample.checks])


def score_key(benchmark: str, version: str, environment: str, task: str, completion: Completion) -> str:
    """The key of an outcome. How an answer finished counts too: a cut one may be scored differently."""
    return content_hash([FORMAT, benchmark, version, environment, task, completion.text, completion.finish])


class Store:
    """Outcomes by key, pictures by the hash of their bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> dict[str, Any] | None:
        """The record of an outcome; None when there is none, or none that can be read."""
        path = self._record(key)
        if not path.exists():
            return None
        try:
            record = read_json(path)
            scores_of(record)
        except (VisCodexError, ValidationError, KeyError, TypeError):
            return None  # half a disk ago; it is scored again and written anew
        found: dict[str, Any] = record
        return found if all(self.picture(sha).exists() for sha in _pictures_of(found)) else None

    def put(self, key: str, outcome: Outcome) -> dict[str, Any]:
        """Keep an outcome, unless any of it is unscored; returns its record."""
        record = {
            "scores": [score.model_dump() for score in outcome.scores],
            "pictures": {name: self._keep(png) for name, png in outcome.pictures.items()},
            "judge": [
                {
                    "metric": task.metric,
                    "rubric": task.rubric,
                    "texts": dict(task.texts),
                    "pictures": [self._keep(png) for png in task.pictures],
                }
                for task in outcome.judge
            ],
        }
        if all(score.status != "unscored" for score in outcome.scores):
            path = self._record(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, json.dumps(record))
        return record

    def picture(self, sha: str) -> Path:
        """Where a picture lies."""
        return self.folder / "pictures" / sha[:2] / f"{sha}.png"

    def tasks_of(self, record: dict[str, Any]) -> list[JudgeTask]:
        """What is left for the judge."""
        return [
            JudgeTask(
                task["metric"],
                task["rubric"],
                task["texts"],
                tuple(self.picture(sha).read_bytes() for sha in task["pictures"]),
            )
            for task in record["judge"]
        ]

    def _record(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"

    def _keep(self, png: bytes) -> str:
        sha = hashlib.sha256(png).hexdigest()
        path = self.picture(sha)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, png)
        return sha


def scores_of(record: dict[str, Any]) -> tuple[Score, ...]:
    """The scores of a record."""
    return tuple(Score.model_validate(score) for score in record["scores"])


def _pictures_of(record: dict[str, Any]) -> list[str]:
    return [*record["pictures"].values(), *(sha for task in record["judge"] for sha in task["pictures"])]
