"""What an ablation found out, as plain data, from the scores alone.

Intervals come from resampling twice: seeds, and within them the tests' samples, the same for every arm (a hierarchical
bootstrap). So a difference counts what two arms share, and three seeds do not pass for three hundred.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viscodex.ablate.recipe import AblateRecipe
from viscodex.eval.results import collect, sample_values
from viscodex.eval.run import reopen
from viscodex.version import __version__

RESAMPLES = 4_000
Values = NDArray[np.float64]
Columns = Mapping[str, Values]  # "benchmark column" → a value per sample, ×100; nan where it could not be scored
MAIN = "merge"


def results(out: Path, recipe: AblateRecipe, stages: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The table: a row per arm and per untuned model, with every column that all of them have."""
    done = {
        name.removeprefix("test-") for name, mark in stages.items() if mark["state"] == "done" and name[:5] == "test-"
    }
    arms = {arm.name: arm for arm in recipe.all_arms()}
    groups = {name: [f"{name}-seed{seed}" for seed in recipe.seeds if f"{name}-seed{seed}" in done] for name in arms}
    single = {"oracle": "the references", "blank": "no answer", "vlm": "the VLM as it is", "merged": "merged, no SFT"}
    groups = {name: [name] for name in single if name in done} | {name: runs for name, runs in groups.items() if runs}
    tables = {name: [columns_of(out / "eval" / run) for run in runs] for name, runs in groups.items()}
    shared = [c for c in _first(tables) if all(c in columns for table in tables.values() for columns in table)]
    rows = {}
    for name, table in tables.items():
        draws = resampled([{column: columns[column] for column in shared} for columns in table])
        title = arms[name].title if name in arms else single[name]
        rows[name] = {"title": title, "seeds": len(table) if name in arms else 0, **_row(table, shared, draws)}
    return {
        "viscodex": __version__,
        "recipe": recipe.resolved(),
        "columns": shared,
        "rows": rows,
        "differences": differences({name: tables[name] for name in arms if name in tables}, shared),
        "seconds": {name: mark["seconds"] for name, mark in stages.items() if mark["state"] == "done"},
    }


def columns_of(run: Path) -> dict[str, Values]:
    """Every column of an evaluation that was measured: its samples in their order, ×100.

    What could not be scored has no value: it is no 0, it is left out of means and counted (`unscored`).
    """
    recipe, tasks = reopen(run)
    found = {}
    for task in tasks:
        collected = collect(task, recipe.n)
        for column, metrics in task.benchmark.columns.items():
            if collected.column("fixed", metrics) is not None:
                known = sample_values(collected.scores["fixed"], metrics)
                values = [known.get(sample.id, np.nan) for sample in task.samples]
                found[f"{task.benchmark.name} {column}"] = 100 * np.array(values, np.float64)
    return found


def differences(tables: Mapping[str, Sequence[Columns]], shared: Sequence[str]) -> dict[str, Any]:
    """How far the main arm is ahead of each other one, on average and in each column."""
    if MAIN not in tables:
        return {}
    draws = {name: resampled([{c: row[c] for c in shared} for row in table]) for name, table in tables.items()}
    found = {}
    for name in tables:
        if name == MAIN:
            continue
        means = {n: _means(tables[n], shared) for n in (MAIN, name)}
        each = {
            column: interval(means[MAIN][column] - means[name][column], draws[MAIN][column] - draws[name][column])
            for column in shared
        }
        ahead = np.mean([draws[MAIN][c] - draws[name][c] for c in shared], axis=0)
        found[name] = {"average": interval(float(np.mean([row["mean"] for row in each.values()])), ahead), **each}
    return found


def resampled(table: Sequence[Columns], seed: int = 0) -> dict[str, Values]:
    """Means of each column in tests drawn anew: seeds with replacement, for all of them the same samples.

    Which are drawn depends on the seed and the sizes alone, so that two arms' draws belong together.
    """
    chance = np.random.default_rng(seed)
    runs = chance.integers(0, len(table), (RESAMPLES, len(table)))
    drawn: dict[str, Values] = {}
    picks: dict[tuple[str, int], NDArray[np.int64]] = {}
    for name in table[0]:
        stacked = np.stack([row[name] for row in table])
        samples = (name.partition(" ")[0], stacked.shape[1])  # the columns of a benchmark share their samples
        if samples not in picks:
            picks[samples] = chance.integers(0, stacked.shape[1], (RESAMPLES, stacked.shape[1]))
        counts = np.stack([np.bincount(row, minlength=stacked.shape[1]) for row in picks[samples]])
        scored = ~np.isnan(stacked)
        by_run = counts @ np.where(scored, stacked, 0.0).T / np.maximum(counts @ scored.T, 1)  # (resamples, seeds)
        drawn[name] = np.take_along_axis(by_run, runs, axis=1).mean(axis=1)
    return drawn


def interval(middle: float, draws: Values) -> dict[str, float]:
    """The mean and the range of 95 % of the draws."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return {"mean": middle, "low": float(low), "high": float(high)}


def _row(table: Sequence[Columns], shared: Sequence[str], draws: Mapping[str, Values]) -> dict[str, Any]:
    means = _means(table, shared)
    each = [float(np.mean([mean(columns[column]) for column in shared])) for columns in table]
    columns = {
        column: interval(means[column], draws[column])
        | {"n": len(table[0][column]), "unscored": sum(int(np.isnan(run[column]).sum()) for run in table)}
        for column in shared
    }
    average = interval(float(np.mean(each)), np.mean([draws[column] for column in shared], axis=0))
    return {"average": average, "each_seed": each, "columns": columns}


def _means(table: Sequence[Columns], shared: Sequence[str]) -> dict[str, float]:
    return {column: float(np.mean([mean(columns[column]) for columns in table])) for column in shared}


def mean(values: Values) -> float:
    """Of the samples that were scored; 0 where none was."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


def _first(tables: Mapping[str, Sequence[Columns]]) -> Sequence[str]:
    return list(next(iter(tables.values()))[0]) if tables else []
