"""`viscodex merge search`: try many λ on one loaded model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from viscodex.core import console
from viscodex.core.errors import UsageError


def search(
    recipe: str = typer.Argument(help="A packaged name or a TOML file; its λ is what is searched."),
    out: Path = typer.Option(..., "--out", "-o", help="The search's folder; the same command goes on in it."),
    scores: list[str] = typer.Option(
        [], "--score", help="[NAME=]loss:DATA or [NAME=]BENCHMARK[:COLUMN]; two of them give a Pareto front."
    ),
    held_out: list[str] = typer.Option([], "--held-out", help="The same, on other data: for the best, at the end."),
    budget: str = typer.Option("30", help="Trials (30) or minutes (20m), over all runs of the search."),
    space: str = typer.Option(
        "scalar", help="scalar, bands=N, anchors=N, modules, experts, or several of them: modules,anchors=2."
    ),
    sampler: str = typer.Option("tpe", help="tpe, cmaes, random or grid."),
    grid: str = typer.Option("", help="The values of a grid: 0.7,0.8,0.85,0.9."),
    first: str = typer.Option("", help="λ that are tried first; on --held-out the best is compared with theirs."),
    range_: str = typer.Option("0,1", "--range", help="The lowest and the highest λ."),
    step: float = typer.Option(0.0, min=0.0, help="Steps of λ; 0 is any value."),
    limit: int = typer.Option(64, min=0, help="Samples per score; 0 is all of a benchmark."),
    settings: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="Override a key of the recipe."),
    data: list[str] = typer.Option([], metavar="BENCHMARK=PATH", help="A benchmark's files; else bundled samples."),
    images: str = typer.Option("", help="Where the pictures of JSON calibration data are."),
    max_new_tokens: int = typer.Option(0, min=0, help="Where an answer is cut; 0 is the benchmark's own number."),
    batch_size: int = typer.Option(8, min=1, help="Answers written together."),
    device: str = typer.Option("", help="cpu or cuda; empty is cuda if there is one."),
    dtype: str = typer.Option("auto", help="The loaded model's format: auto, bfloat16, float32."),
    threads: int = typer.Option(0, min=0, max=256, help="Threads of a switch; 0 is one per core, at most 8."),
    workers: int = typer.Option(1, min=1, help="Processes that score."),
    json: bool = typer.Option(False, "--json", help="The result as JSON."),
) -> None:
    """Search for λ: candidates are merged into the loaded model, scored, journaled; the best is written as a recipe."""
    from viscodex.core.errors import did_you_mean
    from viscodex.core.recipe import parse_set
    from viscodex.merge.recipe import MergeRecipe
    from viscodex.merge.sampling import SAMPLERS
    from viscodex.scorers.searching import Settings
    from viscodex.scorers.searching import search as run_search

    if sampler not in SAMPLERS:
        raise UsageError(f'no sampler "{sampler}"', hint=did_you_mean(sampler, SAMPLERS))
    low, high = _numbers(range_, "--range", 2)
    chosen = Settings(
        scores=scores,
        held_out=held_out,
        space=space,
        sampler=next(name for name in SAMPLERS if name == sampler),
        grid=_numbers(grid, "--grid"),
        first=parse_lambdas(first),
        low=low,
        high=high,
        step=step,
        limit=limit,
        data={key: str(value) for key, value in parse_set(data).items()},
        images=images,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        device=device,
        dtype=dtype,
        threads=threads,
        workers=workers,
    )
    found = run_search(MergeRecipe.load(recipe, parse_set(settings)), chosen, out, parse_budget(budget))
    if json:
        console.result_json(found)
        return
    best = found["best"]
    rows = [("best", name, f"{s['value']:.4f}", _span(s)) for name, s in best["scores"].items()]
    for row in found["held_out"]:
        rows += [
            (name, f"{row['name']}, held out", f"{s['value']:.4f}", _span(s)) for name, s in row["candidates"].items()
        ]
    console.table(
        f"{found['trials']} trials, {found['seconds']:.0f} s", ("", "score", "value", "95 %"), rows, right=(2,)
    )
    console.result(f"λ: {found['lambda']}")
    console.result(f"written: {found['recipe']}, {found['page']}")


def parse_budget(text: str) -> Any:
    """`"30"`, `"30 trials"`, `"20m"`, `"20 minutes"`."""
    import re

    from viscodex.merge.search import Budget

    match = re.fullmatch(r"\s*(\d+)\s*(?:trials?)?\s*|\s*(\d+(?:\.\d+)?)\s*(?:m|min|minutes?)\s*", text)
    if not match:
        raise UsageError(f'not a budget: "{text}"', hint="--budget 30 (trials) or --budget 20m (minutes)")
    return Budget(trials=int(match[1])) if match[1] else Budget(seconds=60 * float(match[2]))


def _numbers(text: str, option: str, count: int | None = None) -> list[float]:
    try:
        values = [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        values = []
    if (text.strip() and not values) or (count is not None and len(values) != count):
        raise UsageError(f'{option} takes {count or ""} numbers, not "{text}"', hint=f"{option} 0.7,0.9")
    return values


def _span(score: dict[str, Any]) -> str:
    return "" if score["low"] is None else f"{score['low']:.4f} – {score['high']:.4f}"


def parse_lambdas(text: str) -> list[float]:
    """`"0.7,0.8"` → [0.7, 0.8]."""
    try:
        values = [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        values = []
    if text.strip() and not values:
        raise UsageError(f'--lambda takes numbers, not "{text}"', hint="--lambda 0.7 or --lambda 0.7,0.8")
    if any(not 0.0 <= value <= 1.0 for value in values):
        raise UsageError(f"λ is the VLM's weight, from 0 to 1, not {text}", hint="--lambda 0.7")
    if len(set(values)) < len(values):
        raise UsageError(f"a λ is given twice: {text}")
    return values
