"""Every packaged recipe is found, explains itself, and loads; a misspelt key in any of them is refused."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import pytest

from viscodex.cli.recipes import CLASSES, recipe_class
from viscodex.core import recipe
from viscodex.core.errors import UsageError

SOURCE = Path(__file__).parent.parent / "src" / "viscodex" / "recipes"
FILES = sorted(SOURCE.rglob("*.toml"))
NAMES = [recipe.recipe_name(path) for path in FILES]

every_recipe = pytest.mark.parametrize(("name", "path"), list(zip(NAMES, FILES, strict=True)), ids=NAMES)


def job_of(name: str) -> str:
    """Recipes of a job may stand in folders below its own."""
    return name.partition("/")[0]


def tomls(folder: Traversable) -> int:
    if not folder.is_dir():
        return 0
    return sum(tomls(entry) if entry.is_dir() else entry.name.endswith(".toml") for entry in folder.iterdir())


def test_none_is_left_behind():
    """In the tree, through the package's own listing, and as package data of the installed package."""
    assert len(list(recipe.packaged())) == len(FILES) == tomls(files("viscodex") / "recipes")


def test_every_job_with_recipes_has_a_class():
    assert {job_of(name) for name in NAMES} <= set(CLASSES)


@every_recipe
def test_has_a_header(name, path):
    first = recipe.header(path).partition("\n")[0]
    assert len(first) > 10, "a recipe begins with a comment that says what it does"


@every_recipe
def test_loads_by_name(name, path):
    made = recipe_class(job_of(name)).load(name)
    assert made.job == job_of(name)
    assert made.name


@every_recipe
def test_a_misspelt_key_is_refused(name, path, tmp_path):
    spoilt = tmp_path / path.name
    spoilt.write_text("colour_of_the_sea = 1\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(UsageError, match='unknown key "colour_of_the_sea"'):
        recipe_class(job_of(name)).load(str(spoilt))
