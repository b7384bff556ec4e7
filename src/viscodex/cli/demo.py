"""`viscodex demo`."""

from __future__ import annotations

from pathlib import Path

import typer

from viscodex.core import console


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    out: Path = typer.Option(Path("demo"), "--out", "-o", help="The folder of the page and its models."),
    serve: bool = typer.Option(False, "--serve", help="Then serve the merged model and the VLM, with a playground."),
    port: int = typer.Option(8000, min=0, max=65535, help="Where --serve listens; 0 is any free one."),
) -> None:
    """Show the whole of viscodex on this machine, offline, on one page: OUT/index.html."""
    from viscodex.demo import run_demo

    page = run_demo(out)
    console.result(f"open {page}")
    if serve:
        from viscodex.cli.serve import listen_and_serve
        from viscodex.serve.limits import Limits
        from viscodex.serve.models import Models

        listen_and_serve(Models(folders=(out / "merged", out / "tiny" / "vlm")), Limits(tokens=512), "127.0.0.1", port)
