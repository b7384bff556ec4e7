"""Reports as pages that open offline: numbers, then every answer with its pictures, code and scores side by side."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viscodex.core.rundir import atomic_write
from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Score
from viscodex.eval.markdown import estimate_cells, numbers_of
from viscodex.eval.predictions import Place
from viscodex.eval.report import SIX_COLUMNS, Report, not_comparable
from viscodex.eval.results import Results, groups_of_sample
from viscodex.eval.store import Store

MOST_CODE = 20_000  # characters of an answer's code on a page
MOST_CARDS = 1_000


@dataclass(frozen=True)
class Card:
    """One answer as the gallery shows it. `mean` is what cards are sorted by; −1 when unscored."""

    title: str
    status: str
    reason: str
    detail: str
    mean: float
    values: Sequence[tuple[str, str, str]]
    pictures: Sequence[tuple[str, str]]
    code: str
    groups: Sequence[str]


def write_benchmark_page(results: Results, report: Report, store: Store) -> None:
    """NAME/report.html with the pictures it shows beside it."""
    folder = results.task.folder
    samples = {sample.id: sample for sample in results.task.samples}
    places = [_place(score) for score in results.scores["fixed"]]
    cards = [card_of(results, samples[place[0]], place, store) for place in places[:MOST_CARDS]]
    html = template("benchmark.html").render(
        report=report,
        rows=_rows(report),
        cards=cards,
        left_out=len(places) - len(cards),
        note=not_comparable(report),
        cells=estimate_cells,
    )
    atomic_write(folder / "report.html", html)


def write_run_page(out: Path, summary: Report) -> None:
    """OUT/report.html: the six columns beside the paper's rows, and a link to each benchmark."""
    names = [*(f"{name} {column}" for name, column in SIX_COLUMNS), "average"]
    notes = [note for note in summary["comparable"] if note]
    atomic_write(out / "report.html", template("run.html").render(summary=summary, names=names, notes=notes))


def _rows(report: Report) -> list[tuple[str, bool, tuple[str, str], tuple[str, str]]]:
    """Name, whether it is a column of the paper, the cells of both protocols."""
    fixed, paper = report["protocols"]["fixed"], report["protocols"]["paper"]
    return [
        (name, kind == "columns", estimate_cells(fixed[kind][name]), estimate_cells(paper[kind].get(name)))
        for kind, name in numbers_of(report)
    ]


def card_of(results: Results, sample: Sample, place: Place, store: Store) -> Card:
    """One answer with everything known about it; its pictures are copied beside the page."""
    fixed, paper = results.score("fixed", place), results.score("paper", place)
    known = [value for value in fixed.values.values() if value is not None]
    completion = results.predictions.answers.get(place)
    code = (completion.code or completion.text) if completion else ""
    return Card(
        title=sample.id + (f" #{place[1]}" if results.answers_per_sample > 1 else ""),
        status=fixed.status,
        reason=fixed.reason,
        detail=fixed.detail,
        mean=sum(known) / len(known) if known else -1.0,
        values=[(m.title, _value(fixed, m.name), _value(paper, m.name)) for m in results.task.benchmark.metrics],
        pictures=_pictures(results, sample, place, store),
        code=code[:MOST_CODE] + ("…" if len(code) > MOST_CODE else ""),
        groups=[f"{k}: {', '.join(v)}" for k, v in groups_of_sample(results.task.benchmark, sample).items()],
    )


def _pictures(results: Results, sample: Sample, place: Place, store: Store) -> list[tuple[str, str]]:
    """Name and path of each picture; the task's own comes first."""
    folder = results.task.folder / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, image in enumerate(sample.images):
        name = f"{_file_name(sample.id)}-{number}{_suffix(image.read())}"
        if not (folder / name).exists():
            atomic_write(folder / name, image.read())
        found.append(("task", f"pictures/{name}"))
    for name, sha in results.pictures.get(place, {}).items():
        if name != "reference" or not found:
            if not (folder / f"{sha}.png").exists():
                shutil.copyfile(store.picture(sha), folder / f"{sha}.png")
            found.append((name, f"pictures/{sha}.png"))
    return found


def _suffix(data: bytes) -> str:
    return {b"\x89P": ".png", b"\xff\xd8": ".jpg", b"RI": ".webp", b"GI": ".gif"}.get(data[:2], ".bin")


def _file_name(sample_id: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in sample_id)[:80]


def _value(score: Score, name: str) -> str:
    value = score.values.get(name)
    return "—" if value is None else f"{100 * value:.1f}"


def _place(score: Score) -> Place:
    return score.sample_id, score.index


def template(name: str) -> Any:
    """A page of this package; what is put into it is escaped."""
    import jinja2

    loader = jinja2.PackageLoader("viscodex.eval", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template(name)
