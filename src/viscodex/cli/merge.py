"""`viscodex merge`: put code models into a vision-language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from viscodex.cli import _merge_search
from viscodex.cli._run_by_default import RUN, RunByDefault
from viscodex.core import console
from viscodex.core.errors import UsageError

group = typer.Typer(
    cls=RunByDefault,
    no_args_is_help=True,
    help="Merge code LLMs into a VLM: viscodex merge RECIPE --out DIR. See also: viscodex recipes.",
)


def register(app: typer.Typer) -> None:
    group.command("search")(_merge_search.search)
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
    lambdas = _merge_search.parse_lambdas(lam)
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
        html.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(html, render("Two models, layer by layer", facts, found.maps()))
        console.say(f"written: {html}")
    if json:
        console.result_json(values)
        return
    header, rows = found.table()
    console.table("", header, rows, right=range(2, len(header)))


@group.command()
def check(
    vlm: str = typer.Argument("", metavar="[A]", help="A vision-language model: a folder or a hub id."),
    llm: str = typer.Argument("", metavar="[B]", help="A language model."),
    base: str = typer.Option("", help="Their base, if it is to take part."),
    table: bool = typer.Option(False, "--table", help="Which model types fit together, without any model."),
    json: bool = typer.Option(False, "--json", help="The verdict as JSON."),
) -> None:
    """Whether B can be merged into A, and why not. Reads headers only; exit code 1 when it cannot."""
    from viscodex.merge.check import check_pair, family_table

    if table:
        header, rows = family_table()
        if json:
            console.result_json([dict(zip(header, row, strict=True)) for row in rows])
        else:
            console.table("Same architecture and same size: yes", header, rows)
        return
    if not vlm or not llm:
        raise UsageError("two models are needed", hint="viscodex merge check VLM LLM, or --table")
    verdict = check_pair(vlm, llm, base)
    if json:
        console.result_json(verdict.as_json())
    else:
        console.result("can be merged" if verdict.is_mergeable else "cannot be merged")
        for line in (*verdict.reasons, *verdict.notes):
            console.result(f"  {line}")
    if not verdict.is_mergeable:
        raise typer.Exit(1)


@group.command()
def extract(
    tuned: str = typer.Argument(help="The tuned model: a VLM or a language model."),
    base: str = typer.Argument(help="The base it was tuned from."),
    out: Path = typer.Option(..., "--out", "-o", help="The output folder; must be new or empty."),
    rank: int = typer.Option(0, min=0, help="Write a LoRA adapter of at most this rank instead."),
    energy: float = typer.Option(0.0, min=0.0, max=1.0, help="… of the smallest ranks that keep this share of ‖τ‖²."),
    dtype: str = typer.Option("bfloat16", help="The format of the differences; float32 keeps them exact."),
    threads: int = typer.Option(0, min=0, max=256, help="Worker threads; 0 is one per core, at most 8."),
    json: bool = typer.Option(False, "--json", help="The report as JSON."),
) -> None:
    """Save what tuning added to a backbone: in full, for any merge, or as a LoRA adapter that PEFT loads."""
    from viscodex.merge.extract import extract as run_extract
    from viscodex.merge.lora import extract_lora

    if rank or energy:
        found = extract_lora(tuned, base, out, rank=rank, energy=energy, threads=threads)
        lines = [
            f"{found['matrices']} linear layers, {found['parameters']:,} parameters",
            f"{found['energy_kept']:.1%} of their ‖τ‖² is kept, {found['energy_kept_of_all']:.1%} of the backbone's",
        ]
    else:
        found = run_extract(tuned, base, out, dtype=dtype, threads=threads)
        lines = [f"{found['tensors']} tensors, ‖τ‖ / ‖θ_base‖ = {found['relative_norm']:.4f}"]
    if json:
        console.result_json(found)
        return
    kinds = ", ".join(f"{kind} {share:.1%}" for kind, share in found["energy"].items() if share)
    for line in (*lines, f"‖τ‖² by kind: {kinds}", f"written: {out}"):
        console.result(line)


@group.command()
def apply(
    vector: Path = typer.Argument(help="A task vector's folder, or a LoRA adapter's."),
    base: str = typer.Argument(help="The base it is added to."),
    out: Path = typer.Option(..., "--out", "-o", help="The output folder; must be new or empty."),
    scale: float = typer.Option(1.0, help="Factor on the task vector; −1 takes it away."),
) -> None:
    """Add a task vector or a LoRA adapter to a base: a checkpoint that merges like any other."""
    from math import isfinite

    from viscodex.merge.extract import apply_vector
    from viscodex.merge.lora import CONFIG, apply_lora

    if not isfinite(scale):
        raise UsageError(f"not a factor: {scale}", where="--scale")
    if (vector / CONFIG).is_file():
        found = apply_lora(vector, base, out, scale=scale)
        console.result(f"{found['tensors']} tensors changed")
    else:
        apply_vector(str(vector), base, out, scale=scale)
    console.result(f"written: {out}")


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
