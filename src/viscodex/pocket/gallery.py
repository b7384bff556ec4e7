"""What models made of the same pictures, side by side: the picture, and each answer as it looks when it is run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from viscodex.core.rundir import atomic_write
from viscodex.eval.results import Results, collect
from viscodex.eval.run import reopen
from viscodex.eval.store import Store
from viscodex.pocket.measure import COLUMNS, RULES

SHOWN = {"chartmimic": 24, "design2code": 16}


def write_gallery(out: Path, models: Sequence[tuple[str, str]], store: Path) -> Path:
    """OUT/results/gallery.html with its pictures beside it; `models` are (folder below OUT/eval, title)."""
    folder = out / "results" / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    there = [(run, title) for run, title in models if (out / "eval" / run / "recipe.json").exists()]
    tables: dict[str, list[dict[str, Any]]] = {}
    for run, title in there:
        recipe, tasks = reopen(out / "eval" / run)
        for task in (task for task in tasks if task.benchmark.name in SHOWN):
            found = collect(task, recipe.n)
            rows = tables.setdefault(task.benchmark.name, [{} for _ in task.samples[: SHOWN[task.benchmark.name]]])
            for row, sample in zip(rows, task.samples, strict=False):
                row.setdefault(
                    "picture", _kept(folder, f"{task.benchmark.name}-{sample.id}.png", sample.images[0].read())
                )
                row[title] = _answer(found, sample.id, folder, f"{task.benchmark.name}-{sample.id}-{run}", Store(store))
    loader = jinja2.PackageLoader("viscodex.pocket", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    titles = [title for _, title in there]
    page = out / "results" / "gallery.html"
    atomic_write(page, environment.get_template("gallery.html").render(tables=tables, titles=titles))
    return page


def _answer(found: Results, sample_id: str, folder: Path, name: str, store: Store) -> dict[str, Any]:
    """The picture of an answer, its score, and its code; without a picture, the reason."""
    place = sample_id, 0
    score = found.score(RULES, place)
    completion = found.predictions.answers.get(place)
    metrics = found.task.benchmark.columns[COLUMNS[found.task.benchmark.name]]
    values = [score.values.get(metric) or 0.0 for metric in metrics]
    told = {"value": f"{100 * sum(values) / len(values):.0f}", "reason": score.reason, "picture": ""}
    sha = found.pictures.get(place, {}).get("answer", "")
    if sha and store.picture(sha).exists():
        shutil.copyfile(store.picture(sha), folder / f"{name}.png")
        told["picture"] = f"gallery/{name}.png"
    return told | {"code": completion.code if completion else ""}


def _kept(folder: Path, name: str, png: bytes) -> str:
    (folder / name).write_bytes(png)
    return f"gallery/{name}"
