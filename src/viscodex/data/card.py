"""OUT/README.md: the data set's card, as the hub reads it; every number is computed from what was built."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from viscodex.core.row import Row
from viscodex.core.rundir import atomic_write
from viscodex.data.output import Made
from viscodex.data.recipe import SCRIPTED_MODEL, DataRecipe

RECIPE, CARD, EXAMPLES = "recipe.toml", "README.md", "examples"
MOST_CODE = 3000
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
TITLES = {"html": "Pages", "chart": "Charts", "qa": "Questions", "algorithm": "Algorithms"}


def write_card(folder: Path, recipe: DataRecipe, made: Sequence[Made], facts: Mapping[str, Any]) -> None:
    """Write the card, the recipe as it was resolved, and a real row's picture for each category."""
    import tomli_w

    atomic_write(folder / RECIPE, f"# As resolved by viscodex {facts['viscodex']}.\n" + tomli_w.dumps(plain(recipe)))
    examples = [example(folder, category) for category in made if category.example]
    categories = facts["categories"]
    text = _template().render(
        facts=facts,
        categories=categories,
        licence=overall_licence(categories),
        size=size_category(sum(category["kept"] for category in categories.values())),
        titles=TITLES,
        examples=examples,
        decontaminated={name: found for name in categories if (found := decontamination(categories[name]))},
        reasons=reasons,
        is_scripted=facts["model"] == SCRIPTED_MODEL,
    )
    atomic_write(folder / CARD, text)


def plain(recipe: DataRecipe) -> dict[str, Any]:
    """The recipe's values as TOML can hold them: what is not set is left out."""

    def without_none(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without_none(inner) for key, inner in value.items() if inner is not None}
        return [without_none(inner) for inner in value] if isinstance(value, list) else value

    found: dict[str, Any] = without_none(recipe.resolved())
    return found


def example(folder: Path, made: Made) -> dict[str, Any]:
    """A real row, with its pictures beside the card."""
    row: Row | None = made.example
    assert row is not None
    pictures = []
    for picture in row["images"]:
        path = folder / EXAMPLES / picture["path"]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(picture["bytes"])
        pictures.append(f"{EXAMPLES}/{picture['path']}")
    return {
        "category": made.category,
        "id": row["id"],
        "pictures": pictures,
        "question": _cut(row["messages"][0]["content"]),
        "answer": _cut(row["messages"][1]["content"]),
        "facts": json.dumps({**row["checks"], "license": row["license"], "source": row["source"]}, ensure_ascii=False),
        "fence": "`" * 6,
    }


def decontamination(category: Mapping[str, Any]) -> dict[str, int] | None:
    """Rows that were taken out per reason, or None when the category went through no such stage."""
    for stage in category["funnel"]:
        if stage["stage"].startswith("decontam"):
            found: dict[str, int] = stage["rejected"]
            return {"rows compared": stage["seen"], **found}
    return None


def overall_licence(categories: Mapping[str, Any]) -> str:
    """The one licence of all rows as the hub names it, else "other"."""
    names = {name.lower() for category in categories.values() for name in category["licences"]}
    return names.pop() if len(names) == 1 and "" not in names else "other"


def size_category(rows: int) -> str:
    return next((name for most, name in SIZES if rows < most), "n>1M")


def reasons(counts: Mapping[str, int]) -> str:
    """`blank 20, no_code 11` for a table's cell."""
    return ", ".join(f"{reason.replace('|', '/')} {count:,}" for reason, count in counts.items()) or "–"


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CODE else text[:MOST_CODE] + f"\n… ({len(text) - MOST_CODE:,} characters more)"


def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    source = resources.files("viscodex.data").joinpath("templates", "card.md").read_text(encoding="utf-8")
    return environment.from_string(source)
