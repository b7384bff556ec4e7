"""The third stage: report.json, report.md and report.html of a run, from its answers and scores alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from viscodex.core.rundir import atomic_write, read_json, write_json
from viscodex.eval.benchmark import Rules
from viscodex.eval.folder import Task, suite_hash
from viscodex.eval.recipe import EvalRecipe
from viscodex.eval.results import Results, collect, groups_of
from viscodex.eval.store import Store
from viscodex.version import __version__

Report = dict[str, Any]
SIX_COLUMNS = (
    *(("design2code", "low"), ("design2code", "high"), ("chartmimic", "low"), ("chartmimic", "high")),
    *(("mmcode", "pass@1"), ("infibench", "infibench-v")),
)
"""The paper's table; its average is the plain mean of these."""


def benchmark_report(results: Results, recipe: EvalRecipe) -> Report:
    """Everything one benchmark's pages say, as plain data."""
    task, found = results.task, results.task.benchmark
    environments = task.folder / "environments.json"
    return {
        "benchmark": found.name,
        "title": found.title,
        "version": found.version,
        "columns": {name: list(metrics) for name, metrics in found.columns.items()},
        "viscodex": __version__,
        "answers_by": recipe.answers_by,
        "sampling": recipe.sampling(found.max_new_tokens).model_dump(mode="json"),
        "perturb": recipe.perturb,
        "suite": {
            "source": task.suite.source,
            "samples": len(task.samples),
            "of": len(task.suite.samples),
            "full_size": task.suite.full_size,
            "rejected": len(task.suite.rejected),
            "sha256": suite_hash(task.samples),
        },
        "answers_per_sample": results.answers_per_sample,
        "truncated": results.truncated,
        "unreadable_predictions": results.predictions.unreadable,
        "protocols": {rules: _protocol(results, rules) for rules in get_args(Rules)},
        "environments": read_json(environments) if environments.exists() else {},
        "deviations": [asdict(deviation) for deviation in found.deviations],
    }


def _protocol(results: Results, rules: Rules) -> Report:
    found = results.task.benchmark
    scores = tuple(results.scores[rules])
    return {
        "counts": results.counts(rules),
        "failed": results.reasons(rules, "failed"),
        "unscored": results.reasons(rules, "unscored"),
        "metrics": {m.name: _estimate(results, rules, (m.name,)) for m in found.metrics},
        "columns": {name: _estimate(results, rules, metrics) for name, metrics in found.columns.items()},
        "extra": dict(found.extra(scores)),
        "groups": _groups(results, rules),
    }


def _estimate(
    results: Results, rules: Rules, metrics: Sequence[str], among: set[str] | None = None
) -> dict[str, Any] | None:
    estimate = results.column(rules, metrics, among)
    return asdict(estimate) if estimate else None


def _groups(results: Results, rules: Rules) -> Report:
    """Group → value → column → estimate."""
    columns = results.task.benchmark.columns
    return {
        group: {
            value: {name: _estimate(results, rules, metrics, ids) for name, metrics in columns.items()}
            for value, ids in sorted(values.items())
        }
        for group, values in groups_of(results.task).items()
    }


def write_reports(out: Path, recipe: EvalRecipe, tasks: Sequence[Task], store: Store) -> Report:
    """Write every benchmark's report and the run's own; returns the run's."""
    from viscodex.eval import markdown, page

    reports = {}
    for task in tasks:
        results = collect(task, recipe.n)
        report = benchmark_report(results, recipe)
        task.folder.mkdir(parents=True, exist_ok=True)
        write_json(task.folder / "report.json", report)
        atomic_write(task.folder / "report.md", markdown.benchmark_markdown(report))
        page.write_benchmark_page(results, report, store)
        reports[task.benchmark.name] = report
    summary = {
        "answers_by": recipe.answers_by,
        "perturb": recipe.perturb,
        "benchmarks": reports,
        **six_columns(reports),
    }
    write_json(out / "report.json", summary)
    atomic_write(out / "report.md", markdown.run_markdown(summary))
    page.write_run_page(out, summary)
    return summary


def six_columns(reports: Mapping[str, Report]) -> Report:
    """The paper's six columns under our protocol and the published one, ×100; their average when all are there."""
    columns: Report = {}
    for rules in get_args(Rules):
        row = {f"{name} {column}": _cell(reports, name, column, rules) for name, column in SIX_COLUMNS}
        known = [value for value in row.values() if value is not None]
        row["average"] = sum(known) / len(known) if len(known) == len(row) else None
        columns[rules] = row
    return {
        "columns": columns,
        "paper": paper_rows(),
        "comparable": [not_comparable(report) for report in reports.values()],
    }


def paper_rows() -> dict[str, dict[str, float]]:
    """The paper's table, ×100 (arXiv 2508.09945)."""
    text = resources.files("viscodex.eval").joinpath("paper.json").read_text(encoding="utf-8")
    rows: dict[str, dict[str, float]] = json.loads(text)
    return rows


def _cell(reports: Mapping[str, Report], name: str, column: str, rules: Rules) -> float | None:
    found = reports.get(name)
    estimate = found["protocols"][rules]["columns"].get(column) if found else None
    return 100 * estimate["mean"] if estimate else None


def not_comparable(report: Report) -> str:
    """What keeps a benchmark's numbers from being held against published ones; empty: nothing we know of."""
    suite = report["suite"]
    if suite["source"] == "bundled":
        return f"{report['benchmark']}: {suite['samples']} bundled samples of our own, not the published set"
    if suite["samples"] != suite["full_size"]:
        return f"{report['benchmark']}: {suite['samples']} of {suite['full_size']} published samples"
    return ""
