"""`viscodex ablate`: the same fine-tuning from different starting points, and one table."""

from __future__ import annotations

from pathlib import Path

import typer

from viscodex.core import console
from viscodex.core.errors import UsageError


def register(app: typer.Typer) -> None:
    app.command(name="ablate")(run)


def run(
    recipe: str = typer.Argument("pocket", help="A packaged name (viscodex recipes) or a TOML file."),
    out: Path = typer.Option(None, "--out", "-o", help="The output folder; one that was begun goes on."),
    settings: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="Override a key of the recipe."),
    only: list[str] = typer.Option([], "--only", help="Run these stages alone (see --dry-run)."),
    device: str = typer.Option("", help="cpu or cuda; unset, a GPU if there is one."),
    dry_run: bool = typer.Option(False, "--dry-run", help="List the stages and whether they are done, and stop."),
    json: bool = typer.Option(False, "--json", help="The result as JSON."),
) -> None:
    """Merge, no merge, replace, other code LLMs, other λ: fine-tuned alike, tested, in one table with intervals."""
    from viscodex.ablate.build import Ablation
    from viscodex.ablate.recipe import AblateRecipe
    from viscodex.ablate.report import ahead, table
    from viscodex.core.recipe import parse_set
    from viscodex.core.stages import pending

    chosen = AblateRecipe.load(recipe, parse_set(settings))
    if out is None:
        raise UsageError("no output folder", hint="--out DIR")
    job = Ablation(out, chosen, device)
    if dry_run:
        stages = list(job.stages())
        waiting = set(pending(out, stages))
        listed = [(stage.name, "to do" if stage.name in waiting else "done") for stage in stages]
        console.table(f"{len(stages)} stages, {len(waiting)} to do", ("stage", ""), listed)
        return
    found = job.run(tuple(only))
    if json:
        console.result_json(found)
        return
    for header, rows in (table(found), ahead(found)):
        if rows:
            console.table("", header, rows, right=range(1, len(header)))
    console.result(f"written: {out / 'ablation.html'}")
