"""Search for λ: propose a point, apply it to the loaded model, score it, note it. A kill loses the trial at work.

OUT/search.json     what is searched, and by which scores; another search needs another folder
OUT/trials.jsonl    one trial a line, synced before the next begins
OUT/best.toml       the recipe of the best point; with several scores OUT/front/*.toml, none beaten in all of them
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import tomli_w

from viscodex.core import console
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.rundir import JsonLines, atomic_write, read_json, remove_tree, write_json
from viscodex.merge.plan import MergePlan
from viscodex.merge.recipe import MergeRecipe
from viscodex.merge.sampling import Direction, Sampler, SamplerName, key_of, open_sampler, unseen
from viscodex.merge.space import Point, Space
from viscodex.merge.staging import lock_folder
from viscodex.version import __version__

Apply = Callable[[MergeRecipe], Any]
Known = dict[tuple[float, ...], Sequence[float]]


@dataclass(frozen=True)
class Score:
    """What a candidate is worth: a mean, its 95 % interval, and the value of every sample behind it."""

    value: float
    low: float | None = None
    high: float | None = None
    samples: Mapping[str, float] = field(default_factory=dict)


class Scorer(Protocol):
    """Judges the model as it is now. `settings` say what the numbers depend on; `folder` is the trial's own."""

    @property
    def name(self) -> str: ...

    @property
    def direction(self) -> Direction: ...

    @property
    def settings(self) -> Mapping[str, Any]: ...

    def score(self, folder: Path) -> Score: ...


@dataclass(frozen=True)
class Budget:
    """When to stop: after so many trials, or so many seconds of trials, counted over all runs of a search."""

    trials: int | None = None
    seconds: float | None = None

    def is_spent(self, trials: Sequence[Trial]) -> bool:
        if self.trials is not None and len(trials) >= self.trials:
            return True
        return self.seconds is not None and sum(trial.seconds for trial in trials) >= self.seconds


@dataclass(frozen=True)
class Trial:
    """One line of the journal: a point, what it was worth, and whether it was asked for rather than proposed."""

    number: int
    point: Point
    scores: Mapping[str, Score]
    seconds: float
    switch_seconds: float = 0.0
    given: bool = False

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Trial:
        scores = {name: Score(**values) for name, values in row["scores"].items()}
        return cls(**{**row, "scores": scores})

    def values(self, scorers: Sequence[Scorer]) -> list[float]:
        return [self.scores[scorer.name].value for scorer in scorers]


@dataclass(frozen=True)
class Search:
    """A search in a folder: from `start`, over `space`, by `scorers`; `first` are tried before the sampler's own."""

    out: Path
    start: MergeRecipe
    space: Space
    scorers: Sequence[Scorer]
    sampler: SamplerName = "tpe"
    grid: Sequence[float] = ()
    first: Sequence[Point] = ()

    def run(self, plan: MergePlan, apply: Apply, budget: Budget) -> list[Trial]:
        """Go on until the budget is spent or the space is; all trials there are, those of earlier runs first."""
        directions = [scorer.direction for scorer in self.scorers]
        sampler = open_sampler(self.sampler, self.space, directions, self.start.seed, self.grid)
        lock = lock_folder(self.out)  # two processes would number and count their trials apart, in one journal
        try:
            return self._run(plan, apply, budget, sampler)
        finally:
            os.close(lock)

    def _run(self, plan: MergePlan, apply: Apply, budget: Budget, sampler: Sampler) -> list[Trial]:
        self._bind(plan)
        trials = self.trials()
        known: Known = {key_of(trial.point, self.space): trial.values(self.scorers) for trial in trials}
        with JsonLines(self.out / "trials.jsonl") as journal, console.progress("trials", budget.trials) as progress:
            progress.advance(len(trials))
            for point, is_given in self._points(sampler, known):
                if budget.is_spent(trials):
                    break
                trial = self._try(len(trials), point, apply, given=is_given)
                journal.append(asdict(trial), sync=True)
                trials.append(trial)
                known[key_of(point, self.space)] = values = trial.values(self.scorers)
                if is_given:
                    sampler.note(point, values)
                else:
                    sampler.tell(values)
                progress.advance(1, note=told(trial))
        self._write_best(trials)
        return trials

    def trials(self) -> list[Trial]:
        """What the journal holds."""
        return [Trial.read(row) for row in JsonLines(self.out / "trials.jsonl")]

    def best(self, trials: Sequence[Trial]) -> Trial:
        """The highest (or lowest) score, of equals the first; with several scores the most balanced of the front:
        the largest mean of scores, each scaled to what it spans on the front."""
        front = self.front(trials)
        if not front:
            raise UsageError("no trial yet", where=str(self.out), hint="--budget 20")
        columns = [_scaled(column) for column in zip(*(self._gains(trial) for trial in front), strict=True)]
        balance = [sum(row) for row in zip(*columns, strict=True)]
        return front[max(range(len(front)), key=lambda place: (balance[place], -front[place].number))]

    def front(self, trials: Sequence[Trial]) -> list[Trial]:
        """Trials that no other beats in all scores; by the first score, worst first."""
        gains = [self._gains(trial) for trial in trials]
        kept = [t for t, row in zip(trials, gains, strict=True) if not any(_beats(other, row) for other in gains)]
        return sorted(kept, key=lambda trial: (self._gains(trial)[0], -trial.number))

    def recipe_of(self, trial: Trial) -> MergeRecipe:
        return self.space.recipe(self.start, trial.point)

    def _points(self, sampler: Sampler, known: Known) -> Iterator[tuple[Point, bool]]:
        """First what was asked for, then what the sampler proposes; nothing that is known."""
        for point in self.first:
            values = known.get(key_of(point, self.space))
            if values is None:
                yield point, True
            else:
                sampler.note(point, values)
        for point in unseen(sampler, known, self.space):
            yield point, False

    def _try(self, number: int, point: Point, apply: Apply, *, given: bool) -> Trial:
        begun = time.monotonic()
        apply(self.space.recipe(self.start, point))
        switched = time.monotonic() - begun
        folder = self.out / "trials" / f"{number:04d}"
        remove_tree(folder)  # of a trial that was killed, for whatever point it was
        scores = {scorer.name: scorer.score(folder) for scorer in self.scorers}
        for name, score in scores.items():
            if not math.isfinite(score.value):
                raise VisCodexError(f"the score {name} is no number", where=json.dumps(point))
        return Trial(number, point, scores, round(time.monotonic() - begun, 3), round(switched, 3), given)

    def _gains(self, trial: Trial) -> tuple[float, ...]:
        """Its scores, turned so that more is better."""
        signs = {"maximize": 1.0, "minimize": -1.0}
        return tuple(signs[scorer.direction] * trial.scores[scorer.name].value for scorer in self.scorers)

    def _bind(self, plan: MergePlan) -> None:
        """Bind the folder to this search, or refuse: numbers of two searches do not belong in one journal."""
        settings = {key: v for key, v in self.start.resolved().items() if key not in ("lambda", "name")}
        inputs = [sorted(model.stamps.items()) for model in plan.models]
        what = {
            "recipe": settings,
            "space": asdict(self.space),
            "sampler": self.sampler,
            "grid": list(self.grid),
            "first": list(self.first),
            "scores": {scorer.name: [scorer.direction, dict(scorer.settings)] for scorer in self.scorers},
        }
        print_ = hashlib.sha256(json.dumps([what, inputs], sort_keys=True).encode()).hexdigest()
        place = self.out / "search.json"
        if place.exists():
            if read_json(place).get("fingerprint") != print_:
                raise UsageError("another search is in this folder", where=str(self.out), hint="choose another --out")
            return
        if self.out.exists() and any(self.out.iterdir()):
            raise UsageError("the output folder is not empty", where=str(self.out), hint="choose another --out")
        self.out.mkdir(parents=True, exist_ok=True)
        write_json(place, {"viscodex": __version__, "fingerprint": print_, **what})

    def _write_best(self, trials: Sequence[Trial]) -> None:
        best = self.best(trials)
        atomic_write(self.out / "best.toml", recipe_file(self.recipe_of(best), told(best)))
        if len(self.scorers) > 1:
            (self.out / "front").mkdir(exist_ok=True)
            for trial in self.front(trials):
                text = recipe_file(self.recipe_of(trial), told(trial))
                atomic_write(self.out / "front" / f"trial-{trial.number:04d}.toml", text)


def recipe_file(recipe: MergeRecipe, remark: str) -> str:
    """A merge recipe as it is written by hand: what is not the default, under a comment."""
    values = {k: v for k, v in recipe.resolved().items() if v != MergeRecipe.model_fields[_field(k)].get_default()}
    values = {key: value for key, value in values.items() if value not in (None, [], "")}
    values["code"] = recipe.code[0] if len(recipe.code) == 1 else recipe.code
    return f"# Found by viscodex merge search: {remark}\n" + tomli_w.dumps(values)


def told(trial: Trial) -> str:
    """`trial 12: chartmimic 0.4213, vision 1.2034`."""
    return f"trial {trial.number}: " + ", ".join(f"{name} {score.value:.4f}" for name, score in trial.scores.items())


def _field(alias: str) -> str:
    return "lam" if alias == "lambda" else alias


def _scaled(column: Sequence[float]) -> list[float]:
    """From 0, the lowest, to 1, the highest; 1 where all are equal."""
    low, high = min(column), max(column)
    return [(value - low) / (high - low) if high > low else 1.0 for value in column]


def _beats(a: Sequence[float], b: Sequence[float]) -> bool:
    """Nowhere worse, somewhere better."""
    return all(x >= y for x, y in zip(a, b, strict=True)) and any(x > y for x, y in zip(a, b, strict=True))
