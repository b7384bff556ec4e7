"""`viscodex train`: fine-tune a vision-language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from viscodex.core import console
from viscodex.core.errors import UsageError


def register(app: typer.Typer) -> None:
    app.command(name="train")(run)


def run(
    recipe: str = typer.Argument(help="A packaged name (viscodex recipes) or a TOML file."),
    out: Path = typer.Option(None, "--out", "-o", help="The output folder; one that was begun goes on."),
    settings: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="Override a key of the recipe."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print the plan (samples, tokens, steps, memory) and stop."),
    ranks: int = typer.Option(0, min=0, help="Plan or export for so many ranks; 0 is those there are."),
    export: str = typer.Option("", help="Write data and settings for llamafactory or swift to --out instead."),
    device: str = typer.Option("", help="cpu or cuda; unset, a GPU if there is one."),
    json: bool = typer.Option(False, "--json", help="The result as JSON."),
) -> None:
    """Fine-tune: packed, vision frozen, resumable. Several GPUs: torchrun … -m viscodex train RECIPE …"""
    from viscodex.core.recipe import parse_set
    from viscodex.train.job import gather_material, run_training
    from viscodex.train.loop import Interrupted
    from viscodex.train.parallel import connect
    from viscodex.train.plan import plan_run
    from viscodex.train.recipe import TrainRecipe

    chosen = TrainRecipe.load(recipe, parse_set(settings))
    if out is None and not dry_run:
        raise UsageError("no output folder", hint="--out DIR")
    with connect(device) as world:
        if dry_run:
            plan = plan_run(chosen, gather_material(chosen, world), ranks or world.size, world.device)
            if world.is_first:
                _show_plan(plan, json)
            return
        if export:
            _export(export, chosen, out, ranks or world.size, world)
            return
        try:
            result = run_training(chosen, out, world)
        except Interrupted:
            console.say(f"stopped; the same command goes on from here (--out {out})")
            raise typer.Exit(130) from None
        if world.is_first:
            _show(result, json)


def _export(target: str, recipe: Any, out: Path, ranks: int, world: Any) -> None:
    from viscodex.core.errors import did_you_mean
    from viscodex.train.export import TARGETS
    from viscodex.train.export import export as write
    from viscodex.train.job import gather_material

    if target not in TARGETS:
        raise UsageError(f'no trainer "{target}" to export to', hint=did_you_mean(target, TARGETS))
    written = write(target, recipe, gather_material(recipe, world), out, ranks)
    console.result(f"{sum(written['samples'].values())} samples, {written['skipped']} skipped")
    console.result(f"written: {written['out']}; then, there: {written['command']}")


def _show_plan(plan: dict[str, Any], as_json: bool) -> None:
    from viscodex.train.plan import plan_lines

    if as_json:
        console.result_json(plan)
        return
    header = ("category", "samples", "an epoch", "tokens", "answers", "of pictures")
    rows = [(kind, *(f"{number:,}" for number in row.values())) for kind, row in plan["categories"].items()]
    console.table(plan["title"], header, rows, right=range(1, 6))
    for line in plan_lines(plan):
        console.result(line)


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        console.result_json(result)
        return
    rows = [(part, f"{row['parameters']:,}", f"{row['trained']:,}") for part, row in result["parts"].items()]
    console.table(result["title"], ("part", "parameters", "trained"), rows, right=(1, 2))
    console.result(f"{result['steps']} steps, {result['samples']} samples")
    for reason, count in result["skipped"].items():
        console.result(f"skipped: {count} {reason}")
    for when, losses in result["held_out"].items():
        console.result(f"held out, {when}: " + ", ".join(f"{kind} {loss:.4f}" for kind, loss in losses.items()))
    console.result(f"written: {result['final']}")
