"""Thirty trials of a search against the paper's grid of λ, and against coefficients that need no data.

    python benchmarks/lambda_search.py --vlm DIR --code DIR --base DIR --kept DATA --gained DATA

`kept` is training data of what the VLM can do, `gained` of what the code model can: one calibration set of both is what
λ is searched by, other samples of both are what is reported. With a finished `viscodex pocket build --out pocket`:

    … --vlm pocket/runs/vlm/final --code pocket/models/code --base pocket/models/base \
      --kept pocket/data/describe --gained pocket/data/write

Writes results/lambda_search.json, and a page for every search under --work.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import result
from viscodex.merge.job import merge_to_folder
from viscodex.merge.live import LiveMerge
from viscodex.merge.plan import plan_merge
from viscodex.merge.recipe import MergeRecipe
from viscodex.merge.sampling import Direction
from viscodex.merge.search import Budget, Score, Scorer, Search
from viscodex.merge.search_page import HeldOut, write_page
from viscodex.merge.space import parse_space
from viscodex.model.local import Local
from viscodex.scorers.intervals import difference, interval
from viscodex.scorers.loss import CalibrationLoss

PAPER = (0.7, 0.8, 0.85, 0.9)
SPACES = ("scalar", "anchors=3", "modules")
WITHOUT_DATA = ("metagpt", "metagpt_layerwise", "uncorrelated", "model_stock", "wudi")


@dataclass(frozen=True)
class Both:
    """Two losses as one: the plain mean over the samples of both."""

    parts: tuple[CalibrationLoss, ...]
    name: str = "both"
    direction: Direction = "minimize"

    @property
    def settings(self) -> Mapping[str, Any]:
        return {part.name: dict(part.settings) for part in self.parts}

    def score(self, folder: Path) -> Score:
        scores = {part.name: part.score(folder) for part in self.parts}
        return interval({f"{name}/{key}": v for name, score in scores.items() for key, v in score.samples.items()})


def main() -> None:
    arguments = parse_arguments()
    models = {"vlm": arguments.vlm, "code": arguments.code, "base": arguments.base}
    start = MergeRecipe.parse(models | {"lambda": 0.5, "name": "search"}, where="benchmark")
    plan = plan_merge(start, None)
    local = Local(plan.vlm.path)
    searched, unseen = (
        scorers(arguments, local, plan.vlm.path, 0),
        scorers(arguments, local, plan.vlm.path, arguments.limit),
    )
    rows: list[dict[str, Any]] = []
    found: dict[str, dict[str, Score]] = {}
    with LiveMerge(plan, local.model) as live:
        for lam in (1.0, 0.0):
            live.apply(start.with_lambda(lam))
            found[f"λ = {lam:g}, {'the VLM' if lam else 'the code model'}"] = {
                s.name: s.score(arguments.work) for s in unseen
            }
        for space in SPACES:
            job = Search(
                arguments.work / space.replace("=", ""),
                start,
                parse_space(space, plan),
                searched[:1],
                first=[parse_space(space, plan).even(lam) for lam in PAPER],
            )
            trials = job.run(plan, live.apply, Budget(trials=arguments.trials))
            chosen = {
                "the paper's grid": job.best([t for t in trials if t.given]),
                f"search, {space}": job.best(trials),
            }
            for name, trial in chosen.items():
                if name not in found:
                    live.apply(job.recipe_of(trial))
                    found[name] = {s.name: s.score(arguments.work) for s in unseen}
            scores = {name: (trial, found[name]["both"]) for name, trial in chosen.items()}
            pair = [score for _, score in scores.values()]
            write_page(job, trials, {}, [HeldOut("both", "minimize", scores, difference(pair[0], pair[1]))])
        two = Search(arguments.work / "two-scores", start, parse_space("scalar", plan), searched[1:])
        two = replace(two, first=[two.space.even(lam) for lam in PAPER])
        write_page(two, two.run(plan, live.apply, Budget(trials=arguments.trials // 2)), {}, [])
    found |= dict(data_free(arguments, models))
    rows = [row(name, scores, found["the paper's grid"]) for name, scores in found.items()]
    notes = (
        f"Loss per answer token, mean over samples with 95 % interval, on {arguments.limit} held-out samples of each "
        f"kind; lower is better. Each search: {arguments.trials} trials by TPE, the paper's four λ among them, on "
        f"other {arguments.limit} samples of each kind. Differences are paired: against the best of the paper's grid. "
        f"{arguments.note}"
    )
    print(result.write("lambda_search", "Search for λ", rows, notes.strip(), folder=arguments.results))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("vlm", "code", "base"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("kept", "gained"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="a folder of shards")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--limit", type=int, default=64, help="samples of each kind, to search by and again to report")
    parser.add_argument("--work", type=Path, default=Path("build/lambda-search"))
    parser.add_argument("--note", default="", help="what the models are, for the notes")
    parser.add_argument("--results", type=Path, default=result.RESULTS)
    return parser.parse_args()


def scorers(arguments: argparse.Namespace, local: Local, folder: Path, skip: int) -> list[Scorer]:
    """Both losses as one, and each by itself."""
    parts = tuple(
        CalibrationLoss(name, getattr(arguments, name), local.model, folder, arguments.limit, skip)
        for name in ("kept", "gained")
    )
    return [Both(parts), *parts]


def data_free(arguments: argparse.Namespace, models: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Score]]]:
    """What methods reach that look at no data."""
    out = arguments.work / "data-free"
    for method in WITHOUT_DATA:
        shutil.rmtree(out, ignore_errors=True)
        plan = plan_merge(MergeRecipe.parse({**models, "method": method, "name": method}, where="benchmark"), out)
        merge_to_folder(plan, out)
        local = Local(out)
        yield method, {s.name: s.score(out) for s in scorers(arguments, local, out, arguments.limit)}
    shutil.rmtree(out, ignore_errors=True)


def row(name: str, scores: Mapping[str, Score], grid: Mapping[str, Score]) -> dict[str, Any]:
    """A line of the table."""
    change = difference(grid["both"], scores["both"])
    return {
        "candidate": name,
        **{kind: f"{score.value:.4f} ({score.low:.3f}–{score.high:.3f})" for kind, score in scores.items()},
        "against the grid": f"{change['difference']:+.4f} ({change['low']:+.4f} to {change['high']:+.4f})",
    }


if __name__ == "__main__":
    main()
