"""Reports as Markdown, to paste anywhere. Numbers are ×100; “—” is what was not measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from viscodex.eval.benchmark import Rules
from viscodex.eval.report import SIX_COLUMNS, Report, not_comparable


def benchmark_markdown(report: Report) -> str:
    """A benchmark's numbers as Markdown."""
    lines = [f"# {report['title']}: {report['answers_by']}", ""]
    counts = report["protocols"]["fixed"]["counts"]
    total = sum(counts.values())
    lines += [
        f"{total} answers: {counts['scored']} scored, {counts['failed']} failed, {counts['unscored']} unscored, "
        f"{report['truncated']} cut by the token limit. {not_comparable(report)}".rstrip(),
        "",
        "| | fixed | 95 % | paper | 95 % |",
        "|---|---|---|---|---|",
    ]
    fixed, paper = report["protocols"]["fixed"], report["protocols"]["paper"]
    for kind, name in numbers_of(report):
        cells = [*estimate_cells(fixed[kind][name]), *estimate_cells(paper[kind].get(name))]
        label = f"**{name}**" if kind == "columns" else name
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    for status in ("failed", "unscored"):
        if fixed[status]:
            lines += ["", f"{status}: " + ", ".join(f"{reason} {n}" for reason, n in fixed[status].items())]
    for group, values in fixed["groups"].items():
        names = list(report["protocols"]["fixed"]["columns"])
        lines += ["", f"| {group} | n | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
        for value, row in values.items():
            n = max((cell["n"] for cell in row.values() if cell), default=0)
            lines.append(f"| {value} | {n} | " + " | ".join(estimate_cells(row[name])[0] for name in names) + " |")
    return "\n".join(lines) + "\n"


def numbers_of(report: Report) -> list[tuple[str, str]]:
    """("columns" or "metrics", name) of what is worth a line: a metric that is a column by itself is not."""
    alone = [metrics[0] for metrics in report["columns"].values() if len(metrics) == 1]
    metrics = [name for name in report["protocols"]["fixed"]["metrics"] if name not in alone]
    return [*(("columns", name) for name in report["columns"]), *(("metrics", name) for name in metrics)]


def estimate_cells(estimate: Mapping[str, Any] | None) -> tuple[str, str]:
    """Mean and interval ×100; “—” for what was not measured."""
    if estimate is None:
        return "—", ""
    return f"{100 * estimate['mean']:.1f}", f"{100 * estimate['low']:.1f} – {100 * estimate['high']:.1f}"


def run_markdown(summary: Report) -> str:
    """The six columns beside the paper's rows."""
    names = [f"{name} {column}" for name, column in SIX_COLUMNS] + ["average"]
    lines = [f"# {summary['answers_by']}", "", "| model | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for rules in get_args(Rules):
        row = summary["columns"][rules]
        lines.append(f"| **this run, {rules}** | " + " | ".join(_number(row[name]) for name in names) + " |")
    for model, row in summary["paper"].items():
        lines.append(f"| {model} (paper) | " + " | ".join(_number(row.get(name)) for name in names) + " |")
    notes = [note for note in summary["comparable"] if note]
    return "\n".join([*lines, "", *(f"* {note}" for note in notes)]).rstrip() + "\n"


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.1f}"
