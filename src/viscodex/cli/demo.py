"""`viscodex demo`."""

from __future__ import annotations

from pathlib import Path

import typer

from viscodex.core import console


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(out: Path = typer.Option(Path("demo"), "--out", "-o", help="The folder of the page and its models.")) -> None:
    """Show the whole of viscodex on this machine, offline, on one page: OUT/index.html."""
    from viscodex.demo import run_demo

    page = run_demo(out)
    console.result(f"open {page}")
