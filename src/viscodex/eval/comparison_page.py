"""Several runs on one page: the paired table, then every sample with what each run made of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from viscodex.core.rundir import atomic_write
from viscodex.core.sample import Sample
from viscodex.eval.compare import Line, Run
from viscodex.eval.page import MOST_CARDS, Card, card_of, template
from viscodex.eval.results import Results
from viscodex.eval.store import Store


@dataclass(frozen=True)
class Case:
    """One sample: the pictures of the task, and what each run made of it. Paths are relative to the page."""

    benchmark: str
    sample_id: str
    task: Sequence[str]
    sides: Sequence[tuple[str, Card, Sequence[tuple[str, str]]]]
    spread: float


def write_comparison(
    file: Path, runs: Sequence[Run], lines: Sequence[Line], notes: Sequence[str], store: Store
) -> None:
    """Write the page. Pictures stay where the runs keep them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    cases = [
        _case(file.parent, name, sample, [run for run in runs if name in run.results], store)
        for name, first in runs[0].results.items()
        for sample in first.task.samples
        if all(sample in run.results[name].task.samples for run in runs if name in run.results)
    ]
    cases.sort(key=lambda case: -case.spread)
    html = template("comparison.html").render(runs=runs, lines=lines, notes=notes, cases=cases[:MOST_CARDS])
    atomic_write(file, html)


def _case(start: Path, name: str, sample: Sample, runs: Sequence[Run], store: Store) -> Case:
    task: list[str] = []
    sides = []
    for run in runs:
        results = run.results[name]
        card = card_of(results, sample, (sample.id, 0), store)
        pictures = [(what, _relative(start, results, path)) for what, path in card.pictures]
        task = task or [path for what, path in pictures if what == "task"]
        sides.append((run.name, card, [pair for pair in pictures if pair[0] == "answer"]))
    means = [card.mean for _, card, _ in sides]
    return Case(name, sample.id, task, sides, max(means) - min(means))


def _relative(start: Path, results: Results, path: str) -> str:
    return Path(os.path.relpath(results.task.folder / path, start)).as_posix()
