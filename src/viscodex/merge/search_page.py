"""The page of a search: scores against λ, what was gained against what was kept, every trial, the best elsewhere."""

from __future__ import annotations

import base64
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from viscodex.core.rundir import atomic_write
from viscodex.merge.sampling import Direction
from viscodex.merge.search import Score, Scorer, Search, Trial, recipe_file, told

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY, INK = "#1f5fa8", "#c25b12", "#9aa3ad", "#222222"
ACROSS = 3  # panels side by side


@dataclass(frozen=True)
class HeldOut:
    """One score on data that the search has not seen: candidates by name, and the first minus the second."""

    name: str
    direction: Direction
    scores: Mapping[str, tuple[Trial, Score]]
    difference: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        rows = {
            name: {"trial": trial.number, "point": trial.point, "value": score.value, "low": score.low}
            | {"high": score.high, "n": len(score.samples)}
            for name, (trial, score) in self.scores.items()
        }
        return {"name": self.name, "direction": self.direction, "candidates": rows, "difference": self.difference}


def write_page(job: Search, trials: Sequence[Trial], facts: Mapping[str, str], held_out: Sequence[HeldOut]) -> Path:
    """OUT/search.html, self-contained."""
    path = job.out / "search.html"
    atomic_write(path, render(job, trials, facts, held_out))
    return path


def render(job: Search, trials: Sequence[Trial], facts: Mapping[str, str], held_out: Sequence[HeldOut]) -> str:
    """The page as HTML text."""
    import jinja2

    best = job.best(trials)
    front = {trial.number for trial in job.front(trials)} if len(job.scorers) > 1 else {best.number}
    switches = statistics.median(trial.switch_seconds for trial in trials)
    shown = dict(facts) | {
        "searched": ", ".join(job.space.axes) + f" from {job.space.low:g} to {job.space.high:g}",
        "sampler": f"{job.sampler}, seed {job.start.seed}",
        "trials": f"{len(trials)}, {sum(trial.seconds for trial in trials):.0f} s; a switch {switches:.2f} s (median)",
        "best": told(best),
    }
    pictures = [("Score against λ" if len(job.space.axes) == 1 else "Scores against each number", curves(job, trials))]
    if len(job.scorers) > 1:
        pictures.append((f"{job.scorers[0].name} against {job.scorers[1].name}", pareto(job, trials)))
    else:
        pictures.append(("Best so far", progress(job, trials)))
    loader = jinja2.PackageLoader("viscodex.merge", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["interval"] = interval_text
    return environment.get_template("search.html").render(
        title=f"Search: {job.start.name}",
        facts=shown,
        pictures=[(title, data_uri(figure)) for title, figure in pictures],
        recipe=recipe_file(job.recipe_of(best), told(best)),
        scorers=job.scorers,
        axes=job.space.axes,
        trials=trials,
        best=best.number,
        front=front,
        held_out=held_out,
    )


def curves(job: Search, trials: Sequence[Trial]) -> Figure:
    """A panel for every score and every number that was searched."""
    from matplotlib.figure import Figure

    axes, best = job.space.axes, job.best(trials)
    across = min(ACROSS, len(axes))
    down = -(-len(axes) // across) * len(job.scorers)
    figure = Figure(figsize=(max(6.4, 3.4 * across), 3.0 * down), layout="constrained")
    panels = iter(figure.subplots(down, across, squeeze=False).ravel())
    for scorer in job.scorers:
        for place in range(down // len(job.scorers) * across):
            panel = next(panels)
            if place < len(axes):
                _curve(panel, scorer, axes[place], trials, best)
            else:
                panel.set_visible(False)
    handles = {label: handle for handle, label in zip(*figure.axes[0].get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside upper right", ncols=3, frameon=False, fontsize=9)
    return figure


def pareto(job: Search, trials: Sequence[Trial]) -> Figure:
    """Two scores against each other; the front is what no other candidate beats in both."""
    figure, panel = _sheet()
    a, b = job.scorers[0], job.scorers[1]
    front, best = job.front(trials), job.best(trials)
    x, y = ([trial.scores[scorer.name].value for trial in trials] for scorer in (a, b))
    panel.plot(x, y, "o", color=GREY, markersize=5, label="trial")
    line = [(trial.scores[a.name].value, trial.scores[b.name].value) for trial in front]
    panel.plot(*zip(*sorted(line), strict=True), "o-", color=BLUE, markersize=6, label="front")
    panel.plot(
        best.scores[a.name].value, best.scores[b.name].value, "*", color=ORANGE, markersize=16, label="most balanced"
    )
    names = front if len(front) <= 12 else [best]
    for trial in names:
        text = f"λ {trial.point['lambda']:g}" if job.space.axes == ("lambda",) else f"{trial.number}"
        place = (trial.scores[a.name].value, trial.scores[b.name].value)
        panel.annotate(text, place, xytext=(6, 5), textcoords="offset points", fontsize=8)
    panel.set_xlabel(_label(a))
    panel.set_ylabel(_label(b))
    panel.legend(frameon=False, fontsize=9)
    return figure


def progress(job: Search, trials: Sequence[Trial]) -> Figure:
    """What each trial reached, and the best until then; of the first score."""
    figure, panel = _sheet()
    scorer = job.scorers[0]
    values = [trial.scores[scorer.name].value for trial in trials]
    pick = max if scorer.direction == "maximize" else min
    panel.plot(range(len(values)), values, "o", color=GREY, markersize=5)
    panel.step(range(len(values)), [pick(values[: n + 1]) for n in range(len(values))], color=BLUE, where="post")
    panel.set_xlabel("trial")
    panel.set_ylabel(_label(scorer))
    return figure


def data_uri(figure: Figure) -> str:
    """A figure as a picture inside the page."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def interval_text(score: Score) -> str:
    """`0.421 (0.380–0.462)`."""
    if score.low is None or score.high is None:
        return f"{score.value:.4f}"
    return f"{score.value:.4f} ({score.low:.3f}–{score.high:.3f})"


def _curve(panel: Axes, scorer: Scorer, axis: str, trials: Sequence[Trial], best: Trial) -> None:
    for given, marker, colour, label in ((False, "o", BLUE, "proposed"), (True, "s", ORANGE, "given")):
        rows = [(trial.point[axis], trial.scores[scorer.name]) for trial in trials if trial.given is given]
        if not rows:
            continue
        x, scores = [place for place, _ in rows], [score for _, score in rows]
        bars = [[_gap(score.value, score.low) for score in scores], [_gap(score.value, score.high) for score in scores]]
        values = [score.value for score in scores]
        panel.errorbar(x, values, bars, fmt=marker, color=colour, elinewidth=0.7, alpha=0.85, markersize=5, label=label)
    panel.axvline(best.point[axis], color=GREY, linestyle=":", zorder=0, label="best")
    panel.set_xlabel("λ, weight of the VLM" if axis == "lambda" else axis)
    panel.set_ylabel(_label(scorer))
    panel.spines[["top", "right"]].set_visible(False)


def _gap(value: float, end: float | None) -> float:
    return 0.0 if end is None else abs(value - end)


def _label(scorer: Scorer) -> str:
    return f"{scorer.name} ({'higher' if scorer.direction == 'maximize' else 'lower'} is better)"


def _sheet() -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.8, 4.0), layout="constrained")
    panel = figure.add_subplot()
    panel.spines[["top", "right"]].set_visible(False)
    return figure, panel
