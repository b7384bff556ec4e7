"""The report of a build: results/pocket.json, its plots, the gallery, and the page of the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from viscodex.core.rundir import atomic_write, write_json
from viscodex.pocket.gallery import write_gallery
from viscodex.pocket.measure import COLUMNS
from viscodex.pocket.plots import draw_all
from viscodex.pocket.recipe import POCKET, PocketRecipe
from viscodex.pocket.results import joined, results

TITLES = {
    "oracle": "the references themselves",
    "blank": "no answer",
    "vlm": "vlm: describes, cannot write",
    "code": "code: writes, sees no picture",
    "merged": "merged, not fine-tuned",
    POCKET: "viscodex-pocket, as it ships",
    "merge": "merge + SFT",
    "no-merge": "no merge + SFT",
    "replace-1stage": "replace + SFT, one stage",
    "replace-2stage": "replace + SFT, two stages",
}
HEADS = {"chartmimic": "charts", "design2code": "pages", "mmcode": "algorithm", "infibench": "questions"}


def write_report(
    out: Path, recipe: PocketRecipe, stages: Mapping[str, Mapping[str, Any]], earlier: Mapping[str, Any] | None = None
) -> Path:
    """Everything below OUT/results; the path of pocket.json. `earlier`: results that this build goes on from."""
    own = results(out, recipe, stages)
    found = joined(earlier, own) if earlier else own
    place = out / "results" / "pocket.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    write_json(place, found)
    draw_all(place.parent, found)
    seed = recipe.seeds[0]
    shown = [("vlm", "vlm"), ("merged", "merged"), *((f"{arm}-seed{seed}", TITLES[arm]) for arm in recipe.arms)]
    shown += [(POCKET, POCKET)] if recipe.ship else []
    models = [(name, title) for name, title in shown if name in own["tests"]]
    write_gallery(out, models, out / "scores")
    atomic_write(place.parent / "results.md", page(found))
    return place


def page(found: Mapping[str, Any], pictures: str = "") -> str:
    """docs/results.md; `pictures` is the folder its plots lie in."""
    text = (resources.files("viscodex.pocket") / "templates" / "results.md").read_text(encoding="utf-8")
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters["number"] = lambda value: "—" if value is None else f"{value:.1f}"
    tests = sorted(found["tests"].items(), key=lambda item: item[0] != POCKET)  # what ships comes first
    rows = {name: [cell(row.get(benchmark)) for benchmark in COLUMNS] for name, row in tests}
    return environment.from_string(text).render(
        **found, rows=rows, titles=TITLES, heads=[HEADS[name] for name in COLUMNS], title_of=title_of, pictures=pictures
    )


def cell(row: Mapping[str, Any] | None) -> str:
    """`81.2 (77.0–85.1)`."""
    if not row or "mean" not in row:
        return "—"
    return f"{row['mean']:.1f} ({row['low']:.1f}–{row['high']:.1f})"


def title_of(name: str) -> str:
    """`merge-seed1` → the arm's title and its seed."""
    arm, _, seed = name.partition("-seed")
    return TITLES.get(arm, arm) + (f", seed {seed}" if seed else "")
