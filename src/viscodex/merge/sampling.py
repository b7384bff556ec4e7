"""Which point of a space is tried next: all of a grid, or what Optuna proposes from the trials so far."""

from __future__ import annotations

import itertools
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol, get_args

from viscodex.core.errors import UsageError
from viscodex.merge.space import DIGITS, Point, Space

SamplerName = Literal["grid", "random", "tpe", "cmaes"]
SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)
Direction = Literal["maximize", "minimize"]
FIRST_AT_RANDOM = 8  # trials before TPE has an opinion
LOST = 200  # proposals in a row that are all known: the space has nothing new


class Sampler(Protocol):
    """Proposes points and is told what they were worth. The same answers in the same order give the same proposals."""

    def propose(self) -> Iterator[Point]:
        """Points without end, or until the space is exhausted; `tell` is called between any two."""
        ...

    def tell(self, values: Sequence[float]) -> None:
        """What the point proposed last was worth, one value per goal."""
        ...

    def note(self, point: Point, values: Sequence[float]) -> None:
        """What a point was worth that was not proposed here."""
        ...


class Listed:
    """Points of a list, in order."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.points = points

    def propose(self) -> Iterator[Point]:
        return iter(self.points)

    def tell(self, values: Sequence[float]) -> None:
        pass

    def note(self, point: Point, values: Sequence[float]) -> None:
        pass


class Optuna:
    """A study in memory. It is asked again from the start after a kill: what is known is told, not measured."""

    def __init__(self, name: SamplerName, space: Space, directions: Sequence[Direction], seed: int) -> None:
        self.optuna = _optuna()
        self.space = space
        step = space.step or None
        self.ranges = {
            axis: self.optuna.distributions.FloatDistribution(*space.bounds(axis), step=step) for axis in space.axes
        }
        self.study = self.optuna.create_study(directions=list(directions), sampler=self._sampler(name, seed))
        self._asked: Any = None

    def propose(self) -> Iterator[Point]:
        while True:
            self._asked = self.study.ask(self.ranges)
            yield {axis: round(value, DIGITS) for axis, value in self._asked.params.items()}

    def tell(self, values: Sequence[float]) -> None:
        self.study.tell(self._asked, list(values))

    def note(self, point: Point, values: Sequence[float]) -> None:
        if all(self.ranges[axis].low <= value <= self.ranges[axis].high for axis, value in point.items()):
            trial = self.optuna.trial.create_trial(params=point, distributions=self.ranges, values=list(values))
            self.study.add_trial(trial)

    def _sampler(self, name: SamplerName, seed: int) -> Any:
        samplers = self.optuna.samplers
        if name == "random":
            return samplers.RandomSampler(seed=seed)
        if name == "cmaes":
            return samplers.CmaEsSampler(seed=seed)
        return samplers.TPESampler(seed=seed, n_startup_trials=FIRST_AT_RANDOM, multivariate=len(self.ranges) > 1)


def open_sampler(
    name: SamplerName, space: Space, directions: Sequence[Direction], seed: int, grid: Sequence[float] = ()
) -> Sampler:
    """A sampler by its name; `grid` are the values of a grid's axes."""
    if name == "grid":
        if not grid:
            raise UsageError("a grid needs values", hint="--grid 0.7,0.8,0.85,0.9")
        return Listed(list(space.grid(tuple(grid))))
    if name == "cmaes" and (len(directions) > 1 or len(space.axes) == 1):
        why = "one goal" if len(directions) > 1 else "two numbers or more to search"
        raise UsageError(f"CMA-ES wants {why}", hint="--sampler tpe")
    return Optuna(name, space, directions, seed)


def unseen(sampler: Sampler, known: dict[tuple[float, ...], Sequence[float]], space: Space) -> Iterator[Point]:
    """Proposals that are not in `known`; the sampler is told what it already asked for. The caller tells the rest."""
    repeated = 0
    for point in sampler.propose():
        values = known.get(key_of(point, space))
        if values is None:
            repeated = 0
            yield point
            continue
        sampler.tell(values)
        repeated += 1
        if repeated > len(known) + LOST:
            return


def key_of(point: Point, space: Space) -> tuple[float, ...]:
    """What makes two points the same."""
    return tuple(round(point[axis], DIGITS) for axis in space.axes)


def evenly(low: float, high: float, count: int) -> list[float]:
    """`count` values from low to high."""
    gaps = max(count - 1, 1)
    return [round(low + (high - low) * number / gaps, DIGITS) for number in itertools.islice(itertools.count(), count)]


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise UsageError("Optuna is not installed", hint='pip install "viscodex[search]", or --sampler grid') from error
    optuna.logging.set_verbosity(logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna
