"""`viscodex compare`: runs beside each other."""

from __future__ import annotations

from pathlib import Path

import typer

from viscodex.core import console


def register(app: typer.Typer) -> None:
    app.command()(compare)


def compare(
    runs: list[Path] = typer.Argument(metavar="RUN...", help="Folders of viscodex eval; the first is the yardstick."),
    html: Path = typer.Option(None, "--html", metavar="FILE", help="Also a page: every sample, all runs side by side."),
    paper: bool = typer.Option(False, "--paper", help="Under the published evaluators' rules instead of ours."),
    store: Path = typer.Option(None, "--store", metavar="DIR", help="Where scores are kept; unset, the user's cache."),
    json: bool = typer.Option(False, "--json", help="Everything as JSON, every changed sample too."),
) -> None:
    """Compare runs sample by sample: differences with 95 % intervals, how many samples rose and fell, and p."""
    from dataclasses import asdict

    from viscodex.eval.compare import lines, open_runs, warnings

    opened = open_runs(runs)
    found, notes = lines(opened, "paper" if paper else "fixed"), warnings(opened)
    if html is not None:
        from viscodex.eval.comparison_page import write_comparison
        from viscodex.eval.store import Store, default_store

        write_comparison(html, opened, found, notes, Store(store or default_store()))
        console.say(f"written: {html}")
    if json:
        console.result_json({"runs": [run.name for run in opened], "notes": notes, "lines": [asdict(x) for x in found]})
        return
    header = ("column", "run", "first", "run", "difference", "95 %", "better", "equal", "worse", "p")
    rows = [
        (
            f"{line.benchmark} {line.column}",
            opened[line.run].name,
            f"{100 * line.before:.1f}",
            f"{100 * line.after:.1f}",
            f"{100 * line.comparison.difference:+.1f}",
            f"{100 * line.comparison.low:+.1f} – {100 * line.comparison.high:+.1f}",
            *(str(n) for n in (line.comparison.better, line.comparison.equal, line.comparison.worse)),
            "< 0.001" if line.comparison.p < 0.001 else f"{line.comparison.p:.3f}",
        )
        for line in found
    ]
    console.table(f"against {opened[0].name}, ×100", header, rows, right=range(2, len(header)))
    for note in notes:
        console.result(note)
