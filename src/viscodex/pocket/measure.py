"""Measuring with the product's own evaluation, on test sets of the pocket worlds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from viscodex.eval.benchmark import Rules

NEW_TOKENS = 320  # the longest reference has about 220
COLUMNS = {"chartmimic": "low", "design2code": "low", "mmcode": "pass@1", "infibench": "infibench-v"}
"""What counts of each benchmark, where there is no judge and no CLIP."""
RULES: Rules = "fixed"


def evaluate(
    out: Path, data: Mapping[str, str], answers: Mapping[str, Any], store: Path, workers: int
) -> dict[str, Any]:
    """Run `viscodex eval` and give each benchmark's column with its interval, ×100, and how its answers fared."""
    from viscodex.eval.recipe import EvalRecipe
    from viscodex.eval.run import Stages, run_all

    settings = {"benchmarks": list(data), "data": dict(data), "judge.none": True, "max_new_tokens": NEW_TOKENS}
    recipe = EvalRecipe.load("default", {**settings, "batch_size": 32, **answers})
    report = run_all(recipe, out, Stages(store=store, workers=workers))
    return {name: _column(name, found["protocols"][RULES]) for name, found in report["benchmarks"].items()}


def average_of(report: Mapping[str, Any]) -> float:
    """The plain mean of the columns, as the paper's table has it."""
    values = [row["mean"] for row in report.values() if isinstance(row, dict) and row.get("mean") is not None]
    return sum(values) / len(values) if values else 0.0


def _column(name: str, protocol: Mapping[str, Any]) -> dict[str, Any]:
    estimate = protocol["columns"][COLUMNS[name]] or {}
    shown = {key: 100 * estimate[key] for key in ("mean", "low", "high") if key in estimate}
    counts = protocol["counts"]
    answered = sum(counts.values())
    ran = 100 * counts.get("scored", 0) / answered if answered else 0.0
    return {"column": COLUMNS[name], **shown, "n": answered, "counts": counts, "ran": ran, "extra": protocol["extra"]}
