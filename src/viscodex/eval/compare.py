"""Runs beside each other, sample by sample: what changed, whether by chance, and whether they can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from viscodex.core.errors import UsageError
from viscodex.eval.benchmark import Rules
from viscodex.eval.folder import suite_hash
from viscodex.eval.recipe import EvalRecipe
from viscodex.eval.results import Results, collect, sample_values
from viscodex.eval.run import reopen
from viscodex.eval.score import read_rows
from viscodex.eval.stats import Comparison, compare


@dataclass(frozen=True)
class Run:
    """A folder with its results by benchmark."""

    folder: Path
    recipe: EvalRecipe
    results: Mapping[str, Results]

    @property
    def name(self) -> str:
        return self.recipe.answers_by + (f" ({self.recipe.perturb})" if self.recipe.perturb else "")


@dataclass(frozen=True)
class Line:
    """One column of one benchmark: a run against the first one, over the samples that both have numbers for."""

    benchmark: str
    column: str
    run: int
    before: float
    after: float
    comparison: Comparison
    changed: Sequence[tuple[str, float]]
    """Sample id and change, the largest falls first, then the largest rises."""


def open_runs(folders: Sequence[Path]) -> list[Run]:
    """Read the folders. Two at least."""
    if len(folders) < 2:
        raise UsageError("nothing to compare with", hint="viscodex compare RUN-A RUN-B")
    runs = []
    for folder in folders:
        recipe, tasks = reopen(folder)
        runs.append(Run(folder, recipe, {task.benchmark.name: collect(task, recipe.n) for task in tasks}))
    return runs


def lines(runs: Sequence[Run], rules: Rules = "fixed") -> list[Line]:
    """Every run against the first, for every column that both have."""
    found = []
    for name, first in runs[0].results.items():
        for column, metrics in first.task.benchmark.columns.items():
            before = sample_values(first.scores[rules], metrics)
            for number, other in enumerate(runs[1:], start=1):
                if name not in other.results:
                    continue
                after = sample_values(other.results[name].scores[rules], metrics)
                common = sorted(before.keys() & after.keys())
                if common:
                    found.append(_line(name, column, number, common, before, after))
    return found


def warnings(runs: Sequence[Run]) -> list[str]:
    """Why numbers of these runs may differ for other reasons than the models."""
    found = []
    for name, first in runs[0].results.items():
        for other in (run for run in runs[1:] if name in run.results):
            second = other.results[name]
            if suite_hash(first.task.samples) != suite_hash(second.task.samples):
                found.append(f"{name}: {other.name} answered other samples; only common ids are compared")
            if environments_of(first) != environments_of(second):
                found.append(f"{name}: {other.name} was scored in another environment; scores may shift")
            if any(run.results[name].counts("fixed")["unscored"] for run in (runs[0], other)):
                found.append(f"{name}: some answers are unscored, and left out of the pairs")
            if runs[0].recipe.sampling(1) != other.recipe.sampling(1):
                found.append(f"{name}: {other.name} was sampled in another way")
    return list(dict.fromkeys(found))


def environments_of(results: Results) -> set[str]:
    """The environments a benchmark's scores were made in, by hash."""
    return {row["environment"] for row in read_rows(results.task.folder).values()}


def _line(
    benchmark: str,
    column: str,
    run: int,
    common: Sequence[str],
    before: Mapping[str, float],
    after: Mapping[str, float],
) -> Line:
    a, b = [before[i] for i in common], [after[i] for i in common]
    changed = sorted(((i, after[i] - before[i]) for i in common if after[i] != before[i]), key=lambda pair: pair[1])
    return Line(benchmark, column, run, sum(a) / len(a), sum(b) / len(b), compare(a, b), changed)
