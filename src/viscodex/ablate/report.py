"""The report of an ablation: a table with intervals, a plot, as JSON, Markdown and one page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from viscodex.core.rundir import atomic_write, write_json

BLUE, GREY, INK = "#1f5fa8", "#9aa3ad", "#222222"


def write_report(out: Path, found: Mapping[str, Any]) -> Path:
    """OUT/ablation.json, .md and .html; the page's path."""
    write_json(out / "ablation.json", found)
    if not found["rows"] or not found["columns"]:
        return out / "ablation.json"
    atomic_write(out / "ablation.md", markdown(found))
    atomic_write(out / "ablation.html", page(found))
    return out / "ablation.html"


def table(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: arm, seeds, average, every column."""
    header = ["", "seeds", "average", *found["columns"]]
    rows = [
        [row["title"], str(row["seeds"] or "–"), cell(row["average"]), *map(cell, row["columns"].values())]
        for row in found["rows"].values()
    ]
    return header, rows


def ahead(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """How far the merge is ahead of each other arm: header and rows."""
    header = ["merge + SFT minus …", "average", *found["columns"]]
    rows = [
        [found["rows"][name]["title"], *(cell(value, signed=True) for value in row.values())]
        for name, row in found["differences"].items()
    ]
    return header, rows


def cell(value: Mapping[str, float], *, signed: bool = False) -> str:
    """`81.2 (77.0–85.1)`; a difference with its sign, `+3.1 (+0.4 to +5.8)`."""
    if signed:
        return f"{value['mean']:+.1f} ({value['low']:+.1f} to {value['high']:+.1f})"
    return f"{value['mean']:.1f} ({value['low']:.1f}–{value['high']:.1f})"


def note(found: Mapping[str, Any]) -> str:
    """What the numbers are, and how many answers have none."""
    lost = {
        row["title"]: {c: v.get("unscored", 0) for c, v in row["columns"].items()} for row in found["rows"].values()
    }
    told = [f"{title}, {column}: {n}" for title, row in lost.items() for column, n in row.items() if n]
    return f"{NOTE} Left out, since they could not be scored: {'; '.join(told)}." if told else NOTE


def markdown(found: Mapping[str, Any]) -> str:
    """Both tables, for a document."""
    text = [f"# Ablation: {found['recipe']['name']}", "", note(found), ""]
    for header, rows in (table(found), ahead(found)):
        text += [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
        text += [*(f"| {' | '.join(row)} |" for row in rows), ""]
    return "\n".join(text)


def page(found: Mapping[str, Any]) -> str:
    """The page as HTML text, self-contained."""
    loader = jinja2.PackageLoader("viscodex.ablate", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    recipe = found["recipe"]
    facts = {
        "VLM": recipe["vlm"],
        "code": ", ".join(f"{name}: {path}" for name, path in recipe["code"].items()),
        "method": f"{recipe['method']}, λ = {recipe['lambda']:g}",
        "seeds": ", ".join(map(str, recipe["seeds"])),
        "time": f"{sum(found['seconds'].values()) / 60:.1f} minutes",
    }
    return environment.get_template("ablation.html").render(
        title=f"Ablation: {recipe['name']}",
        facts=facts,
        note=note(found),
        tables=[table(found), ahead(found)],
        picture=_data_uri(bars(found)),
    )


def bars(found: Mapping[str, Any]) -> Figure:
    """Averages with their intervals; a dot for every seed."""
    rows = {name: row for name, row in found["rows"].items() if name not in ("oracle", "blank")}
    figure = Figure(figsize=(7.6, 0.55 * len(rows) + 1.1), layout="constrained")
    axes = figure.add_subplot()
    for place, (name, row) in enumerate(reversed(rows.items())):
        value = row["average"]
        colour = BLUE if name == "merge" else GREY
        axes.barh(place, value["mean"], 0.6, color=colour, alpha=1.0 if row["seeds"] else 0.5)
        axes.hlines(place, value["low"], value["high"], color=INK, linewidth=1.6)
        if row["seeds"] > 1:
            axes.plot(row["each_seed"], [place + 0.2] * len(row["each_seed"]), ".", color=INK, markersize=5)
    axes.set_yticks(range(len(rows)), [row["title"] for row in reversed(rows.values())], fontsize=9)
    axes.set_xlabel("average of the columns, with 95 % interval")
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


NOTE = (
    "Mean and 95 % interval of each column, ×100; average is the plain mean of the columns. Intervals resample seeds "
    "and, within them, the tests' samples, the same for every arm. Every arm is fine-tuned on the same data with the "
    "same budget."
)


def _data_uri(figure: Figure) -> str:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
