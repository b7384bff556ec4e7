"""`viscodex recipes`: list, show and copy the packaged recipes, and say what each key means."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from viscodex.core import console
from viscodex.core.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from viscodex.core.recipe import Recipe

# Job → the class of its recipes. A job that gains recipes gains a line.
CLASSES = {
    "ablate": "viscodex.ablate.recipe:AblateRecipe",
    "data": "viscodex.data.recipe:DataRecipe",
    "eval": "viscodex.eval.recipe:EvalRecipe",
    "merge": "viscodex.merge.recipe:MergeRecipe",
    "pocket": "viscodex.pocket.recipe:PocketRecipe",
    "train": "viscodex.train.recipe:TrainRecipe",
}

group = typer.Typer(help="List, show and copy the packaged recipes, and say what each key means.")


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="recipes", invoke_without_command=True)


def recipe_class(job: str) -> type[Recipe]:
    """The class that reads the recipes of `job`."""
    if job not in CLASSES:
        raise UsageError(f'no job "{job}" with recipes', hint=did_you_mean(job, CLASSES))
    module, _, name = CLASSES[job].partition(":")
    found: type[Recipe] = getattr(import_module(module), name)
    return found


@group.callback(invoke_without_command=True)
def list_recipes(context: typer.Context, json: bool = typer.Option(False, "--json", help="As JSON.")) -> None:
    """List the packaged recipes with the first line of their header."""
    from viscodex.core.recipe import header, packaged, recipe_name

    if context.invoked_subcommand:
        return
    found = {recipe_name(path): header(path).partition("\n")[0] for path in packaged()}
    if json:
        console.result_json(found)
    else:
        console.table("", ("recipe", "what it does"), list(found.items()))


@group.command()
def show(name: str = typer.Argument(help="Such as merge/viscodex-8b.")) -> None:
    """Print a packaged recipe."""
    console.result(_path(name).read_text(encoding="utf-8").rstrip("\n"))


@group.command()
def copy(
    name: str = typer.Argument(help="Such as merge/viscodex-8b."),
    to: Path = typer.Argument(Path(), help="A folder or a file name."),
) -> None:
    """Copy a packaged recipe to edit it."""
    source = _path(name)
    target = to / source.name if to.is_dir() else to
    if target.exists():
        raise UsageError("the file exists already", where=str(target), hint="choose another name")
    target.write_bytes(source.read_bytes())
    console.result(str(target))


@group.command()
def keys(
    job: str = typer.Argument(help="Such as merge."),
    json: bool = typer.Option(False, "--json", help="As JSON."),
) -> None:
    """Every key a job's recipes may hold: its type, default and meaning."""
    from viscodex.core.reference import keys_of

    found = keys_of(recipe_class(job))
    if json:
        console.result_json([key._asdict() for key in found])
    else:
        console.result("\n".join(f"{key.key} = {key.default}\n    {key.meaning}\n    {key.type}" for key in found))


def _path(name: str) -> Path:
    from viscodex.core.recipe import packaged, recipe_name

    names = {recipe_name(path): path for path in packaged()}
    matches = [full for full in names if name in (full, full.partition("/")[2])]
    if len(matches) > 1:
        raise UsageError(f'"{name}" names several recipes', hint=" or ".join(matches))
    if not matches:
        known = [*names, *(full.partition("/")[2] for full in names)] if "/" not in name else names
        raise UsageError(f'no recipe "{name}"', hint=did_you_mean(name, known))
    return names[matches[0]]
