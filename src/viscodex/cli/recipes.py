"""`viscodex recipes`: list, show and copy the packaged recipes."""

from __future__ import annotations

from pathlib import Path

import typer

from viscodex.core import console, recipe
from viscodex.core.errors import UsageError, did_you_mean

group = typer.Typer(help="List, show and copy the packaged recipes.")


def register(app: typer.Typer) -> None:
    app.add_typer(group, name="recipes", invoke_without_command=True)


@group.callback(invoke_without_command=True)
def list_recipes(context: typer.Context, json: bool = typer.Option(False, "--json", help="As JSON.")) -> None:
    """List the packaged recipes with the first line of their header."""
    if context.invoked_subcommand:
        return
    found = {recipe.recipe_name(path): recipe.header(path).partition("\n")[0] for path in recipe.packaged()}
    if json:
        console.result_json(found)
    else:
        console.table("", ("recipe", "what it does"), list(found.items()))


@group.command()
def show(name: str = typer.Argument(help="Such as merge/viscodex-8b.")) -> None:
    """Print a packaged recipe."""
    console.result(_path(name).read_text(encoding="utf-8").rstrip("\n"))


@group.command()
def copy(name: str, to: Path = typer.Argument(Path(), help="A folder or a file name.")) -> None:
    """Copy a packaged recipe to edit it."""
    source = _path(name)
    target = to / source.name if to.is_dir() else to
    if target.exists():
        raise UsageError("the file exists already", where=str(target), hint="choose another name")
    target.write_bytes(source.read_bytes())
    console.result(str(target))


def _path(name: str) -> Path:
    names = {recipe.recipe_name(path): path for path in recipe.packaged()}
    matches = [path for full, path in names.items() if name in (full, full.partition("/")[2])]
    if not matches:
        raise UsageError(f'no recipe "{name}"', hint=did_you_mean(name, names))
    return matches[0]
