"""What a build found out, as plain data: results/pocket.json, from the markers, the metrics and the scores alone.

Intervals of the ablation come from resampling twice: seeds, and within them the test's samples, the same for every arm
(a hierarchical bootstrap). So a difference counts what two arms share, and three seeds do not pass for three hundred.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viscodex.core.rundir import JsonLines, read_json
from viscodex.eval.benchmark import benchmark
from viscodex.eval.results import collect, sample_values
from viscodex.eval.run import reopen
from viscodex.pocket.measure import COLUMNS, RULES
from viscodex.pocket.recipe import PocketRecipe
from viscodex.version import __version__

RESAMPLES = 4_000
Values = NDArray[np.float64]


def results(out: Path, recipe: PocketRecipe, stages: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Everything the report says."""
    done = {name: marker for name, marker in stages.items() if marker["state"] == "done"}
    arms = {arm: [seed for seed in recipe.seeds if f"test-{arm}-seed{seed}" in done] for arm in recipe.arms}
    return {
        "viscodex": __version__,
        "budget": recipe.budget,
        "recipe": recipe.resolved(),
        "machine": machine(),
        "seconds": {name: marker["seconds"] for name, marker in done.items()},
        "trainings": {
            name.removesuffix("-lm"): row for name, marker in done.items() if (row := training(out, marker["facts"]))
        },
        "reading": done.get("read", {}).get("facts", {}),
        "inspect": done.get("inspect", {}).get("facts", {}),
        "lambda": {
            "tried": {
                f"{lam:g}": done[f"lambda-{lam:g}"]["facts"] for lam in recipe.lambdas if f"lambda-{lam:g}" in done
            },
            "chosen": done.get("merge", {}).get("facts", {}).get("lambda"),
        },
        "tests": {
            name.removeprefix("test-"): marker["facts"]
            for name, marker in done.items()
            if name.startswith("test-") and name != "test-set"
        },
        "ablation": ablation(out, {arm: seeds for arm, seeds in arms.items() if seeds}),
    }


def joined(earlier: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """The results of a build that began with the models of an earlier one, and the earlier one's.

    λ and the ablation are the earlier build's, so are tests and trainings that this one did not repeat; `goes_on` says
    which are this one's, and with which settings and machine they were made.
    """
    ours = {key: found[key] for key in ("viscodex", "machine", "recipe")}
    own = {key: sorted(found[key]) for key in ("trainings", "tests")}
    both = {key: {**earlier[key], **found[key]} for key in ("trainings", "tests", "seconds", "reading", "inspect")}
    return {**earlier, **both, "goes_on": ours | own}


def machine() -> str:
    """The processor's kind and the cores in use; no name of a host."""
    import os

    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    return f"{device}, {os.cpu_count()} cores"


def training(out: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Steps, samples and the loss as it fell; of a model that came with viscodex, what its build told. Else nothing."""
    if "training" in facts:
        return dict(facts["training"])
    if "run" not in facts:
        return {}
    rows = list(JsonLines(out / "runs" / str(facts["run"]) / "metrics.jsonl"))
    steps = [(row["step"], row["loss"]) for row in rows if row["kind"] == "step"]
    held = [(row["step"], row["losses"]["all"]) for row in rows if row["kind"] == "eval" and row["losses"]]
    cpu = sum(row["cpu"] for row in rows if row["kind"] == "step")
    return {**facts, "cpu_seconds": round(cpu), "loss": _thinned(steps), "held_out_loss": held}


def ablation(out: Path, arms: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Arm → mean of the columns with its interval; and how far the merge is ahead of each other arm."""
    tables = {arm: [values_of(out / "eval" / f"{arm}-seed{seed}") for seed in seeds] for arm, seeds in arms.items()}
    found: dict[str, Any] = {"arms": {}, "differences": {}}
    draws = {arm: resampled(table, seed=0) for arm, table in tables.items()}
    for arm, table in tables.items():
        each = [average(values) for values in table]
        found["arms"][arm] = {"seeds": list(arms[arm]), "each": each, **interval(float(np.mean(each)), draws[arm])}
        found["arms"][arm]["columns"] = {
            name: 100 * float(np.mean([mean(values[name]) for values in table])) for name in COLUMNS if name in table[0]
        }
    for arm in tables:
        if arm != "merge" and "merge" in tables:
            middle = found["arms"]["merge"]["mean"] - found["arms"][arm]["mean"]
            found["differences"][f"merge − {arm}"] = interval(middle, draws["merge"] - draws[arm])
    return found


def values_of(run: Path) -> dict[str, Values]:
    """Benchmark → the values of its samples, in their order; nan for what could not be scored, which is no 0."""
    recipe, tasks = reopen(run)
    found = {}
    for task in tasks:
        metrics = benchmark(task.benchmark.name).columns[COLUMNS[task.benchmark.name]]
        known = sample_values(collect(task, recipe.n).scores[RULES], metrics)
        found[task.benchmark.name] = np.array([known.get(sample.id, np.nan) for sample in task.samples])
    return found


def average(values: Mapping[str, Values]) -> float:
    """The mean of the columns, ×100."""
    return 100 * float(np.mean([mean(column) for column in values.values()]))


def mean(values: Values) -> float:
    """Of the samples that were scored; 0 where none was."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


def resampled(table: Sequence[Mapping[str, Values]], seed: int) -> Values:
    """Averages of tests drawn anew: seeds with replacement, and for all of them the same samples with replacement.

    The samples that are drawn depend on the seed alone, so that two arms' draws belong together.
    """
    chance = np.random.default_rng(seed)
    stacked = {name: np.stack([values[name] for values in table]) for name in table[0]}
    picks = {name: chance.integers(0, rows.shape[1], (RESAMPLES, rows.shape[1])) for name, rows in stacked.items()}
    seeds = chance.integers(0, len(table), (RESAMPLES, len(table)))
    means = [
        np.array([mean(rows[seeds[n]][:, picks[name][n]].ravel()) for n in range(RESAMPLES)])
        for name, rows in stacked.items()
    ]
    return np.asarray(100 * np.mean(means, axis=0), np.float64)


def interval(middle: float, draws: Values) -> dict[str, float]:
    """The mean and the range of 95 % of the draws."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return {"mean": middle, "low": float(low), "high": float(high)}


def _thinned(points: Sequence[tuple[int, float]], most: int = 200) -> list[tuple[int, float]]:
    """At most so many points, each the mean of its neighbours."""
    size = max(1, -(-len(points) // most))
    lots = [points[start : start + size] for start in range(0, len(points), size)]
    return [(lot[-1][0], round(float(np.mean([loss for _, loss in lot])), 4)) for lot in lots]


def commit(out: Path) -> str:
    """The commit that a build notes, if it notes one."""
    place = out / "commit.txt"
    return place.read_text(encoding="utf-8").strip() if place.exists() else ""


def load(out: Path) -> dict[str, Any]:
    """The results of a finished build."""
    found: dict[str, Any] = read_json(out / "results" / "pocket.json")
    return found
