"""`viscodex bench-serve`: how fast a server answers."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from viscodex.core import console, rundir
from viscodex.core.errors import UsageError


def register(app: typer.Typer) -> None:
    app.command("bench-serve")(bench_serve)


def bench_serve(
    url: str = typer.Argument(metavar="URL", help="Any OpenAI-compatible server: http://127.0.0.1:8000/v1."),
    images: list[str] = typer.Option([], "--image", metavar="FILE", help="A picture to send; unset, one of our own."),
    model: str = typer.Option("", metavar="NAME", help="The model's name there; unset, the first that it lists."),
    levels: str = typer.Option("1,2,4,8,16", "--at-a-time", help="Requests in flight, one level after the other."),
    requests: int = typer.Option(16, min=1, help="Requests at each level."),
    tokens: int = typer.Option(128, min=2, help="Longest answer."),
    plot: Path = typer.Option(None, metavar="FILE", help="A plot, PNG or SVG."),
    out: Path = typer.Option(None, metavar="FILE", help="The rows as JSON, in a file."),
    json: bool = typer.Option(False, "--json", help="The rows as JSON, instead of the table."),
) -> None:
    """Measure time to the first text, time per token and throughput at rising concurrency, with pictures.

    The API key is read from OPENAI_API_KEY.
    """
    from viscodex.serve import bench

    load = bench.load_of(images, tokens, requests)
    rows = bench.measure(url, model, os.environ.get("OPENAI_API_KEY", ""), load, _levels(levels), console.say)
    if out is not None:
        rundir.write_json(out, rows)
    if plot is not None:
        bench.plot(rows, plot)
        console.say(f"plot: {plot}")
    if json:
        console.result_json(rows)
        return
    header = list(rows[0])
    cells = [["—" if value is None else f"{value:g}" for value in row.values()] for row in rows]
    console.table("", header, cells, right=range(len(header)))


def _levels(text: str) -> list[int]:
    words = text.split(",")
    if not all(word.strip().isdigit() and int(word) for word in words):
        raise UsageError(f"--at-a-time takes whole numbers above 0, not {text!r}", hint="--at-a-time 1,4,16")
    return [int(word) for word in words]
