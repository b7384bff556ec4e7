"""`viscodex data`: build a multimodal coding data set of your own. Import, export and inspect are in data_files.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from viscodex.cli import data_files, infibench_v
from viscodex.core import console
from viscodex.core.errors import UsageError

group = typer.Typer(
    no_args_is_help=True,
    help="Build a data set of your own (viscodex data build mcd-sample --out DIR); import, export and look at others.",
)
OUT = typer.Option(None, "--out", "-o", help="The data set's folder. The same command continues what was begun.")
JSON = typer.Option(False, "--json", help="As JSON.")


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="data")
    data_files.register(group)
    group.add_typer(infibench_v.group, name="infibench-v")


@group.command()
def build(
    recipe: str = typer.Argument(help="A packaged name (viscodex recipes) or a TOML file."),
    out: Path = OUT,
    settings: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="Override a key of the recipe."),
    shard: str = typer.Option("", "--shard", metavar="I/N", help="Only this part of the rows; then merge-shards."),
    workers: int = typer.Option(0, "--workers", min=0, max=256, help="Worker processes; 0 is one per core."),
    limit: int = typer.Option(0, "--limit", min=0, help="Only the first so many drafts of each category; 0 is all."),
    retry_failed: bool = typer.Option(False, "--retry-failed", help="Give rows that failed all their tries again."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print the stages and stop."),
    json: bool = JSON,
) -> None:
    """Raw inputs → stages that keep or reject → shards, a card and a gallery. Stopped or killed, it goes on later."""
    from viscodex.core.recipe import parse_set
    from viscodex.data.build import build, order_of
    from viscodex.data.recipe import DataRecipe
    from viscodex.runner.shards import Shard

    flags = {key: value for key, value in {"workers": workers, "limit": limit}.items() if value}
    order = order_of(DataRecipe.load(recipe, parse_set(settings) | flags), Shard.parse(shard or "1/1"))
    if dry_run:
        _show_plans(order.plans, json)
        return
    _show(build(order, _required(out), retry_failed=retry_failed), out, json)


@group.command()
def merge_shards(
    parts: list[Path] = typer.Argument(help="The folders that --shard 1/N … N/N have made, with their .work folders."),
    out: Path = OUT,
    json: bool = JSON,
) -> None:
    """Join the parts of --shard: the same bytes that one machine would have written. Needs no inputs and no model."""
    from viscodex.data.build import order_of
    from viscodex.data.card import RECIPE
    from viscodex.data.joining import join
    from viscodex.data.recipe import DataRecipe

    order = order_of(DataRecipe.load(str(parts[0] / RECIPE)))
    _show(join(order, parts, _required(out)), out, json)


@group.command()
def benchmark_index(
    benchmarks: list[str] = typer.Argument(help="NAME=PATH of published files; a NAME alone takes what we ship."),
    out: Path = typer.Option(None, "--out", "-o", help="The JSON file."),
) -> None:
    """Fingerprints of benchmarks as one JSON file, for decontamination where their own files are not at hand."""
    from viscodex.data.decontaminate import build_index, write_index

    index = build_index({name: path for name, _, path in (text.partition("=") for text in benchmarks)})
    write_index(index, _required(out))
    counts = [
        (name, *(f"{len(found):,}" for found in (prints.codes, prints.grams, prints.pictures, prints.posts)))
        for name, prints in index.benchmarks.items()
    ]
    console.table("", ("benchmark", "programs", "runs of 13 words", "pictures", "posts"), counts, right=range(1, 5))


def _required(out: Path | None) -> Path:
    if out is None:
        raise UsageError("no output folder", hint="--out DIR")
    return out


def _show_plans(plans: Any, as_json: bool) -> None:
    rows = [(plan.category, step.name, step.how) for plan in plans for step in plan.steps]
    rows += [(plan.category, name, "left out: no model") for plan in plans for name in plan.left_out]
    if as_json:
        console.result_json([dict(zip(("category", "stage", "judged_by"), row, strict=True)) for row in rows])
    else:
        console.table("", ("category", "stage", "judged by"), rows)


def _show(facts: dict[str, Any], out: Path, as_json: bool) -> None:
    if as_json:
        console.result_json(facts)
        return
    rows = []
    for name, category in facts["categories"].items():
        counts = [f"{category[key]:,}" for key in ("seen", "kept", "rejected", "failed", "pictures")]
        rows.append((name, *counts))
    console.table(
        facts["name"], ("category", "seen", "kept", "rejected", "failed", "pictures"), rows, right=range(1, 6)
    )
    if facts["model"]:
        cost = facts["cost"]
        tokens = cost["prompt_tokens"] + cost["completion_tokens"]
        console.result(f"{facts['model']}: {tokens:,} tokens, {cost['money']:.2f} in money")
    console.result(f"look at: {out / 'gallery.html'}, {out / 'README.md'}")
