"""A search from a recipe to its page: load the model once, try candidates on it, check the best on other data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from viscodex.core import console
from viscodex.core.errors import UsageError, did_you_mean
from viscodex.core.rundir import JsonLines, write_json
from viscodex.eval.benchmark import NAMES, benchmark
from viscodex.eval.recipe import EvalRecipe
from viscodex.merge.live import LiveMerge
from viscodex.merge.plan import plan_merge
from viscodex.merge.recipe import MergeRecipe
from viscodex.merge.sampling import SamplerName, key_of
from viscodex.merge.search import Budget, Score, Scorer, Search, Trial
from viscodex.merge.search_page import HeldOut, write_page
from viscodex.merge.space import parse_space
from viscodex.model.local import Local
from viscodex.scorers.benchmark import BenchmarkScore
from viscodex.scorers.intervals import difference
from viscodex.scorers.loss import CalibrationLoss


@dataclass(frozen=True)
class Settings:
    """What is searched and how it is scored. `scores`: `[NAME=]loss:PATH`, `[NAME=]BENCHMARK[:COLUMN]`.

    `first` are values of λ tried before the sampler's own, the same everywhere; the best of them is what the best of
    all is compared with on `held_out`, scores on other data.
    """

    scores: Sequence[str]
    held_out: Sequence[str] = ()
    space: str = "scalar"
    sampler: SamplerName = "tpe"
    grid: Sequence[float] = ()
    first: Sequence[float] = ()
    low: float = 0.0
    high: float = 1.0
    step: float = 0.0
    limit: int = 64
    data: Mapping[str, str] = field(default_factory=dict)
    images: str = ""
    max_new_tokens: int = 0
    batch_size: int = 8
    device: str = ""
    dtype: str = "auto"
    threads: int = 0
    workers: int = 1
    store: Path | None = None


def search(recipe: MergeRecipe, settings: Settings, out: Path, budget: Budget) -> dict[str, Any]:
    """Run or continue a search in OUT; its page, its best recipe, and what is said on the terminal."""
    if not settings.scores:
        raise UsageError("a search needs a score", hint="--score loss:PATH, --score chartmimic")
    start = recipe if recipe.lam is not None or recipe.weights is not None else recipe.with_lambda(0.5)
    space = parse_space(
        settings.space, plan_merge(start, None), low=settings.low, high=settings.high, step=settings.step
    )
    first = [space.even(lam) for lam in settings.first]
    plan = plan_merge(space.recipe(start, first[0] if first else space.even(settings.high)), None)
    console.say(f"loading {plan.vlm.path}")
    local = Local(plan.vlm.path, dtype=settings.dtype, device=settings.device, batch_size=settings.batch_size)
    with LiveMerge(plan, local.model, settings.threads) as live:
        scorers = open_scorers(settings.scores, local, plan.vlm.path, settings)
        job = Search(out, start, space, scorers, settings.sampler, settings.grid, first)
        trials = job.run(plan, live.apply, budget)
        others = open_scorers(settings.held_out, local, plan.vlm.path, settings, is_held_out=True)
        held_out = check_best(job, trials, live, others) if others else []
    facts = {role: model.path.resolve().name for role, model in zip(plan.roles, plan.models, strict=True)}
    write_page(job, trials, facts, held_out)
    found = result(job, trials, held_out)
    write_json(out / "result.json", found)
    return found


def open_scorers(
    texts: Sequence[str], local: Local, folder: Path, settings: Settings, *, is_held_out: bool = False
) -> list[Scorer]:
    """Scorers from their short form; two of one name are refused. What is held out is taken on other samples."""
    searched = {_source(text) for text in settings.scores}
    found = []
    for text in texts:
        is_seen = is_held_out and _source(text) in searched
        if is_seen and not settings.limit:
            raise UsageError(
                "the search takes all of these samples, and none is held out", text, "--limit N, or other data"
            )
        skip = settings.limit if is_held_out and (is_seen or _source(text)[0] == "loss") else 0
        found.append(_open_scorer(text, local, folder, settings, skip))
    names = [scorer.name for scorer in found]
    if len(set(names)) < len(names):
        raise UsageError(f"two scores have one name: {', '.join(names)}", hint="--score vision=loss:PATH")
    return found


def check_best(job: Search, trials: Sequence[Trial], live: LiveMerge, scorers: Sequence[Scorer]) -> list[HeldOut]:
    """The best of all, and the best of those that were given, on data the search has not seen."""
    given = [trial for trial in trials if trial.given]
    candidates = {"best of the search": job.best(trials)}
    if given:
        candidates["best of the given"] = job.best(given)
    scored = {name: _held_out(job, trial, live, scorers) for name, trial in candidates.items()}
    found = []
    for scorer in scorers:
        scores = {name: (candidates[name], row[scorer.name]) for name, row in scored.items()}
        pair = [score for _, score in scores.values()]
        compared = difference(pair[1], pair[0]) if len(pair) == 2 else None
        found.append(HeldOut(scorer.name, scorer.direction, scores, compared))
    return found


def result(job: Search, trials: Sequence[Trial], held_out: Sequence[HeldOut]) -> dict[str, Any]:
    """What a search found, as plain values."""
    best = job.best(trials)
    return {
        "trials": len(trials),
        "seconds": round(sum(trial.seconds for trial in trials), 1),
        "best": {"trial": best.number, "point": best.point, "scores": _plain(best.scores)},
        "lambda": job.recipe_of(best).resolved()["lambda"],
        "front": [trial.number for trial in job.front(trials)],
        "held_out": [row.as_json() for row in held_out],
        "recipe": str(job.out / "best.toml"),
        "page": str(job.out / "search.html"),
    }


def _parts(text: str) -> tuple[str, str, str]:
    """`[NAME=]KIND[:ARGUMENT]`."""
    named, equals, rest = text.partition("=")
    name, what = (named, rest) if equals and "/" not in named and ":" not in named else ("", text)
    kind, _, argument = what.partition(":")
    return name, kind, argument


def _source(text: str) -> tuple[str, str]:
    """What a score's samples come from: the data of a loss, a benchmark whatever its column."""
    _, kind, argument = _parts(text)
    return ("loss", str(Path(argument).expanduser().resolve())) if kind == "loss" else ("benchmark", kind)


def _open_scorer(text: str, local: Local, folder: Path, settings: Settings, skip: int) -> Scorer:
    name, kind, argument = _parts(text)
    if kind == "loss":
        path = Path(argument).expanduser()
        if not argument or not path.exists():
            raise UsageError("no such calibration data", where=argument or text, hint="--score loss:FOLDER_OR_FILE")
        return CalibrationLoss(name or "loss", path, local.model, folder, settings.limit, skip, images=settings.images)
    if kind not in NAMES:
        raise UsageError(f'not a score: "{text}"', hint=f"loss:PATH, or {did_you_mean(kind, NAMES)}")
    found = benchmark(kind)
    column = argument or next(iter(found.columns))
    if column not in found.columns:
        raise UsageError(f'{kind} has no column "{column}"', hint=", ".join(found.columns))
    values: dict[str, Any] = {
        "benchmarks": [kind],
        "model": "candidate",
        "limit": settings.limit,
        "skip": skip,
        "max_new_tokens": settings.max_new_tokens,
        "judge": {"none": True},
        "data": {kind: settings.data[kind]} if kind in settings.data else {},
    }
    recipe = EvalRecipe.parse(values, where=text)
    return BenchmarkScore(name or kind, kind, found.columns[column], recipe, local, settings.store, settings.workers)


def _held_out(job: Search, trial: Trial, live: LiveMerge, scorers: Sequence[Scorer]) -> dict[str, Score]:
    """Scores of a candidate on other data; journaled, so that a second run measures nothing twice."""
    with JsonLines(job.out / "held_out.jsonl") as journal:
        settings = {scorer.name: dict(scorer.settings) for scorer in scorers}
        for row in journal:
            if row["settings"] == settings and row["key"] == list(key_of(trial.point, job.space)):
                return {name: Score(**score) for name, score in row["scores"].items()}
        live.apply(job.recipe_of(trial))
        folder = job.out / "held_out" / f"trial-{trial.number:04d}"
        scores = {scorer.name: scorer.score(folder) for scorer in scorers}
        plain = {name: asdict(score) for name, score in scores.items()}
        journal.append({"key": key_of(trial.point, job.space), "settings": settings, "scores": plain}, sync=True)
        return scores


def _plain(scores: Mapping[str, Score]) -> dict[str, Any]:
    return {name: {"value": s.value, "low": s.low, "high": s.high, "n": len(s.samples)} for name, s in scores.items()}
