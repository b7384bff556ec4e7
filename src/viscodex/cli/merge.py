"""`viscodex merge`: put code models into a vision-language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from viscodex.core import console
from viscodex.core.errors import UsageError

RUN = "run"


class RecipeOrCommand(TyperGroup):
    """`merge NAME …` runs a recipe; a word that is a sub-command (inspect, …) is that."""

    def parse_args(self, context: Any, args: list[str]) -> list[str]:
        first = next((word for word in args if not word.startswith("-")), None)
        if first is not None and first not in self.commands:
            args = [RUN, *args]
        return super().parse_args(context, args)


group = typer.Typer(
    cls=RecipeOrCommand,
    no_args_is_help=True,
    help="Merge code LLMs into a VLM: viscodex merge RECIPE --out DIR. See also: viscodex recipes.",
)


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="merge")


@group.command(RUN, help="Run a recipe (the word “run” may be left out): viscodex merge viscodex-8b --out DIR.")
def run(
    recipe: str = typer.Argument(help="A packaged name (viscodex recipes) or a TOML file."),
    out: Path = typer.Option(None, "--out", "-o", help="The output folder; must be new or empty."),
    lam: str = typer.Option("", "--lambda", help="λ, the VLM's weight; 0.7,0.8 writes one checkpoint each."),
    settings: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="Override a key of the recipe."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print the plan and stop."),
    threads: int = typer.Option(0, min=0, max=256, help="Worker threads; 0 is one per core, at most 8."),
    device: str = typer.Option("cpu", help="cpu or cuda."),
    check: str = typer.Option(
        "headers", help="After writing: headers, load (build the model in transformers) or none."
    ),
    json: bool = typer.Option(False, "--json", help="The result as JSON."),
) -> None:
    from viscodex.core.recipe import parse_set
    from viscodex.merge.job import merge_to_folder, plan_table
    from viscodex.merge.plan import plan_merge, require_sound
    from viscodex.merge.recipe import MergeRecipe

    if out is None and not dry_run:
        raise UsageError("no output folder", hint="--out DIR")
    if check not in ("headers", "load", "none"):
        raise UsageError(f'no check "{check}"', hint="--check headers, load or none")
    overrides = parse_set(settings)
    lambdas = parse_lambdas(lam)
    if len(lambdas) == 1:
        overrides["lambda"] = lambdas.pop()
    chosen = MergeRecipe.load(recipe, overrides)
    plan = plan_merge(chosen, out, lambdas)
    if dry_run:
        _show(plan_table(plan), json)
        require_sound(plan)
        return
    result = merge_to_folder(plan, out, threads=threads, device=device, check=check)
    _show(result, json)


@group.command()
def inspect(
    a: str = typer.Argument(metavar="A", help="A checkpoint: the VLM."),
    b: str = typer.Argument(metavar="B", help="Another with the same backbone: the code LLM."),
    base: str = typer.Option("", help="Their base: then task vectors are compared, not the models."),
    html: Path = typer.Option(None, "--html", help="Write the heat-map page to this file."),
    top: float = typer.Option(0.01, min=1e-6, max=1.0, help="What share of elements counts as the largest."),
    threads: int = typer.Option(2, min=1, help="Worker threads."),
    json: bool = typer.Option(False, "--json", help="Everything, every tensor, as JSON."),
) -> None:
    """Where two models differ, layer by layer: norms, cosine, sign conflicts, overlap of the largest changes."""
    from viscodex.core.rundir import atomic_write
    from viscodex.merge.inspect import inspect as run_inspect
    from viscodex.merge.page import as_facts, render

    found = run_inspect(a, b, base, top_share=top, threads=threads)
    values = found.as_json()
    if html is not None:
        facts = as_facts({**values["models"], **values["all"]})
        atomic_write(html, render("Two models, layer by layer", facts, found.maps()))
        console.say(f"written: {html}")
    if json:
        console.result_json(values)
        return
    header, rows = found.table()
    console.table("", header, rows, right=range(2, len(header)))


def parse_lambdas(text: str) -> list[float]:
    """`"0.7,0.8"` → [0.7, 0.8]."""
    try:
        values = [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        raise UsageError(f'--lambda takes numbers, not "{text}"', hint="--lambda 0.7 or --lambda 0.7,0.8") from None
    if any(not 0.0 <= value <= 1.0 for value in values):
        raise UsageError(f"λ is the VLM's weight, from 0 to 1, not {text}", hint="--lambda 0.7")
    if len(set(values)) < len(values):
        raise UsageError(f"a λ is given twice: {text}")
    return values


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        console.result_json(result)
        return
    rows = [
        (name, f"{row['tensors']:,}", f"{row['parameters'] / 1e6:,.2f} M", f"{row['bytes'] / 1e9:,.3f} GB")
        for name, row in result["parts"].items()
    ]
    console.table(result["title"], ("part/action", "tensors", "parameters", "bytes"), rows, right=(1, 2, 3))
    for line in result["lines"]:
        console.result(line)
