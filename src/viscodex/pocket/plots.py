"""The three pictures of the report: loss against λ, the ablation with its intervals, losses as they fell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from viscodex.pocket.recipe import POCKET

BLUE, GREY, INK = "#1f5fa8", "#9aa3ad", "#222222"
ARMS = {
    "merge": "merge + SFT",
    "no-merge": "no merge + SFT",
    "replace-1stage": "replace + SFT\none stage",
    "replace-2stage": "replace + SFT\ntwo stages",
}


def draw_all(folder: Path, found: Mapping[str, Any]) -> list[Path]:
    """Every plot there is data for."""
    folder.mkdir(parents=True, exist_ok=True)
    plots = {"lambda": lambdas, "ablation": arms, "losses": losses}
    written = []
    for name, draw in plots.items():
        figure = draw(found)
        if figure is not None:
            path = folder / f"{name}.png"
            figure.savefig(path, dpi=110, metadata={"Software": None})
            written.append(path)
    return written


def lambdas(found: Mapping[str, Any]) -> Figure | None:
    """The loss on pictures and their code for each λ, as merged and after a short fine-tuning."""
    tried = {float(lam): facts for lam, facts in found["lambda"]["tried"].items()}
    if not tried:
        return None
    figure, axes = _sheet((6.4, 3.6), "Loss on the code of pictures against λ")
    weights = sorted(tried)
    steps = found["recipe"]["choose_steps"]
    for name, colour, title in (("loss", GREY, "merged"), ("tuned", BLUE, f"after {steps} steps of fine-tuning")):
        axes.plot(weights, [tried[lam][name]["mean"] for lam in weights], "o-", color=colour, label=title)
        lows, highs = ([tried[lam][name][end] for lam in weights] for end in ("low", "high"))
        axes.fill_between(weights, lows, highs, color=colour, alpha=0.2, linewidth=0)
    chosen = found["lambda"]["chosen"]
    if chosen is not None:
        axes.axvline(chosen, color=INK, linestyle=":", zorder=0)
    axes.set_xlabel("λ, weight of the vision-language model (0: the code model's backbone)")
    axes.set_ylabel("loss a token")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=9)
    return figure


def arms(found: Mapping[str, Any]) -> Figure | None:
    """Averages of the four columns with 95 % intervals; a dot for every seed."""
    told = found["ablation"]["arms"]
    if not told:
        return None
    figure, axes = _sheet((6.4, 3.6), "Average of the four columns after the same fine-tuning")
    for place, (arm, row) in enumerate(told.items()):
        axes.bar(place, row["mean"], 0.6, color=BLUE if arm == "merge" else GREY)
        axes.vlines(place, row["low"], row["high"], color=INK, linewidth=1.6)
        axes.plot([place + 0.12] * len(row["each"]), row["each"], ".", color=INK, markersize=6)
        axes.text(place - 0.06, row["mean"] + 1, f"{row['mean']:.1f}", ha="right", va="bottom", fontsize=9)
    axes.set_xticks(range(len(told)), [ARMS.get(arm, arm) for arm in told], fontsize=9)
    axes.set_ylabel("score")
    axes.set_ylim(0, 100)
    return figure


def losses(found: Mapping[str, Any]) -> Figure | None:
    """Training losses: of the three models, and of the fine-tunings side by side."""
    runs = found["trainings"]
    if not runs:
        return None
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    groups = (
        ("Base, vision-language and code model", [name for name in ("base", "strips", "vlm", "code") if name in runs]),
        ("Fine-tuning, first seed", [name for name in runs if name.endswith("-seed0") or name == POCKET]),
    )
    for axes, (title, names) in zip(figure.subplots(1, 2), groups, strict=True):
        for name in names:
            points = runs[name]["loss"]
            axes.plot([step for step, _ in points], [loss for _, loss in points], label=name.removesuffix("-seed0"))
        axes.set_yscale("log")
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_xlabel("step")
        axes.spines[["top", "right"]].set_visible(False)
        if names:
            axes.legend(frameon=False, fontsize=9)
    return figure


def _sheet(size: tuple[float, float], title: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#eeeeee", zorder=-1)
    axes.set_axisbelow(True)
    return figure, axes
