"""A search tries nothing twice, goes on after kill -9 as if it had not been killed, and finds what there is to find."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.merge.conftest import recipe_of
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.rundir import JsonLines
from viscodex.merge.plan import MergePlan, module_of, plan_merge
from viscodex.merge.recipe import MODULES, MergeRecipe
from viscodex.merge.sampling import Direction
from viscodex.merge.search import Budget, Score, Search, Trial
from viscodex.merge.space import Space, parse_space
from viscodex.merge.weights import weight_of
from viscodex.model.tiny import Trio

Tiny = Callable[..., Trio]
PAPER = [0.7, 0.8, 0.85, 0.9]
BEST = 0.43


@dataclass
class Model:
    """What candidates are applied to here: it remembers the last one, and all of them."""

    recipe: MergeRecipe | None = None
    seen: list[Any] = field(default_factory=list)

    def apply(self, recipe: MergeRecipe) -> None:
        self.recipe = recipe
        self.seen.append(recipe.lam)

    def weight(self, key: str) -> float:
        assert self.recipe is not None
        value = weight_of(self.recipe.lam or 0.0, key, 4)
        assert value is not None
        return value


@dataclass(frozen=True)
class Bowl:
    """A score with one best λ, in every layer."""

    model: Model
    best: float = BEST
    name: str = "bowl"
    direction: Direction = "minimize"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def score(self, folder: Path) -> Score:
        gaps = {f"{n}": (self.model.weight(f"model.layers.{n}.mlp.up_proj.weight") - self.best) ** 2 for n in range(4)}
        value = sum(gaps.values()) / 4
        return Score(-value if self.direction == "maximize" else value, samples=gaps)


@pytest.fixture
def plan(tiny: Tiny) -> MergePlan:
    return plan_merge(recipe_of(tiny(layers=4), lam=0.7), None)


def search_in(out: Path, plan: MergePlan, model: Model, space: str = "scalar", **settings: Any) -> Search:
    scorers = settings.pop("scorers", None) or [Bowl(model)]
    return Search(out, plan.recipe, parse_space(space, plan), scorers, **settings)


def test_a_grid_tries_every_value_once_and_writes_the_best(tmp_path: Path, plan: MergePlan) -> None:
    model = Model()
    job = search_in(tmp_path / "out", plan, model, sampler="grid", grid=PAPER)
    trials = job.run(plan, model.apply, Budget())
    assert [trial.point["lambda"] for trial in trials] == PAPER
    assert job.best(trials).point == {"lambda": 0.7}
    written = MergeRecipe.load(str(job.out / "best.toml"))
    assert written.fingerprint == plan.recipe.with_lambda(0.7).fingerprint
    job.run(plan, model.apply, Budget())
    assert len(model.seen) == len(PAPER)


@pytest.mark.parametrize(("sampler", "space"), [("tpe", "scalar"), ("tpe", "bands=4"), ("cmaes", "anchors=2")])
def test_thirty_trials_beat_the_papers_grid(tmp_path: Path, plan: MergePlan, sampler: Any, space: str) -> None:
    pytest.importorskip("optuna")
    model = Model()
    shape = parse_space(space, plan)
    job = search_in(tmp_path / "out", plan, model, space, sampler=sampler, first=[shape.even(lam) for lam in PAPER])
    trials = job.run(plan, model.apply, Budget(trials=30))
    assert len(trials) == 30
    assert [trial.given for trial in trials] == [True] * 4 + [False] * 26
    best, given_best = (job.best(some).scores["bowl"].value for some in (trials, trials[:4]))
    assert best < given_best / 2


@pytest.mark.parametrize(("sampler", "space"), [("random", "scalar"), ("tpe", "anchors=3"), ("cmaes", "anchors=2")])
def test_in_pieces_as_in_one(tmp_path: Path, plan: MergePlan, sampler: Any, space: str) -> None:
    """Stopped and continued, the sampler proposes what it would have proposed; no point is scored twice."""
    pytest.importorskip("optuna")
    whole, pieces = Model(), Model()
    first = [parse_space(space, plan).even(0.8)]
    one = search_in(tmp_path / "one", plan, whole, space, sampler=sampler, first=first)
    wanted = one.run(plan, whole.apply, Budget(trials=16))
    for trials in (1, 5, 6, 16):
        two = search_in(tmp_path / "two", plan, pieces, space, sampler=sampler, first=first)
        found = two.run(plan, pieces.apply, Budget(trials=trials))
    assert [trial.point for trial in found] == [trial.point for trial in wanted]
    assert pieces.seen == whole.seen


def test_a_coarse_space_ends_when_it_is_exhausted(tmp_path: Path, plan: MergePlan) -> None:
    pytest.importorskip("optuna")
    model = Model()
    job = search_in(tmp_path / "out", plan, model, sampler="random")
    trials = replace(job, space=replace(job.space, step=0.25)).run(plan, model.apply, Budget(trials=100))
    assert sorted(trial.point["lambda"] for trial in trials) == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_minutes_are_counted_over_all_runs() -> None:
    trials = [Trial(n, {"lambda": 0.5}, {}, seconds=10.0) for n in range(3)]
    assert Budget(seconds=30.0).is_spent(trials)
    assert not Budget(seconds=31.0).is_spent(trials)


def test_another_search_in_the_folder_is_refused(tmp_path: Path, plan: MergePlan) -> None:
    model = Model()
    search_in(tmp_path / "out", plan, model, sampler="grid", grid=PAPER).run(plan, model.apply, Budget())
    other = search_in(tmp_path / "out", plan, model, sampler="grid", grid=PAPER, scorers=[Bowl(model, name="other")])
    with pytest.raises(UsageError, match="another search"):
        other.run(plan, model.apply, Budget())
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(UsageError, match="not empty"):
        replace(other, out=tmp_path / "taken").run(plan, model.apply, Budget())


def test_two_searches_at_once_in_one_folder_are_refused(tmp_path: Path, plan: MergePlan) -> None:
    model = Model()
    job = search_in(tmp_path / "out", plan, model, sampler="grid", grid=PAPER)

    def apply(recipe: MergeRecipe) -> None:
        with pytest.raises(UsageError, match="another process is writing"):
            job.run(plan, model.apply, Budget())
        model.apply(recipe)

    assert len(job.run(plan, apply, Budget(trials=2))) == 2
    assert len(job.run(plan, model.apply, Budget())) == len(PAPER)


def test_a_score_that_is_no_number_is_refused(tmp_path: Path, plan: MergePlan) -> None:
    model = Model()
    job = search_in(tmp_path / "out", plan, model, sampler="grid", grid=PAPER, scorers=[Bowl(model, float("nan"))])
    with pytest.raises(VisCodexError, match="no number"):
        job.run(plan, model.apply, Budget())


# ---- several scores


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=30))
def test_the_front_is_what_no_trial_beats(pairs: list[tuple[int, int]]) -> None:
    scorers = [Bowl(Model(), name="kept", direction="maximize"), Bowl(Model(), name="loss")]
    job = Search(Path(), MergeRecipe(), Space(), scorers)
    trials = [Trial(n, {}, {"kept": Score(a), "loss": Score(b)}, 1.0) for n, (a, b) in enumerate(pairs)]

    def beats(a: Trial, b: Trial) -> bool:
        (x, y), (u, v) = pairs[a.number], pairs[b.number]
        return x >= u and y <= v and (x, y) != (u, v)

    front = job.front(trials)
    assert [t for t in trials if not any(beats(other, t) for other in trials)] == sorted(front, key=lambda t: t.number)
    assert job.best(trials) in front


def test_two_scores_give_recipes_of_the_front(tmp_path: Path, plan: MergePlan) -> None:
    model = Model()
    scorers = [Bowl(model, 0.75, "kept"), Bowl(model, 0.85, "gained", direction="maximize")]
    job = search_in(tmp_path / "out", plan, model, sampler="grid", grid=[0.7, 0.76, 0.8, 0.9], scorers=scorers)
    trials = job.run(plan, model.apply, Budget())
    assert {trial.point["lambda"] for trial in job.front(trials)} == {0.76, 0.8}
    assert len(list((job.out / "front").glob("*.toml"))) == 2


# ---- spaces


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    "text", ["scalar", "bands=2", "bands=4", "anchors=3", "modules", "modules,bands=2", "modules,anchors=2"]
)
def test_every_tensor_gets_the_number_of_its_place(tiny: Tiny, text: str, tied: bool) -> None:
    plan = plan_merge(recipe_of(tiny(layers=4, tied=tied), lam=0.7), None)
    space = parse_space(text, plan)
    point = {axis: round(0.1 + 0.8 * place / 20, 4) for place, axis in enumerate(space.axes)}
    recipe = space.recipe(plan.recipe, point)
    assert not plan_merge(recipe, None).problems
    for step in (step for step in plan.steps if step.action == "merge"):
        kind = module_of(step.key)
        layer = int(step.key.split(".")[2]) if ".layers." in step.key else None
        allowed = {v for axis, v in point.items() if not space.modules or axis.split()[0] == kind}
        value = weight_of(recipe.lam or 0.0, step.key, 4)
        if space.depth == "bands" and layer is not None:
            band = f"band{layer * space.count // 4}"
            assert value == point[f"{kind} {band}" if space.modules else band]
        elif space.depth == "anchors":
            assert value is not None
            assert min(allowed) <= value <= max(allowed)
        else:
            assert value in allowed
    assert ("head" in space.axes) is (space.modules != () and not tied)


@pytest.mark.parametrize("text", ["modules", "modules,bands=2", "modules,anchors=2"])
@pytest.mark.parametrize("settings", [{"embeddings": "vlm"}, {"merge": ["attention", "mlp"]}])
def test_module_kinds_without_the_embedding(tiny: Tiny, text: str, settings: Any) -> None:
    plan = plan_merge(recipe_of(tiny(), lam=0.5, **settings), None)
    space = parse_space(text, plan)
    assert not any(axis.startswith(("embeddings", "head")) for axis in space.axes)
    assert not plan_merge(space.recipe(plan.recipe, space.even(0.6)), None).problems


def test_experts_share_what_the_vlm_leaves(tiny: Tiny) -> None:
    trio, other = tiny(), tiny(seed=5)
    plan = plan_merge(recipe_of(trio, lam=0.7, code=[str(trio.code), str(other.code)]), None)
    space = parse_space("scalar,experts", plan)
    assert space.axes == ("lambda", "expert0", "expert1")
    found = plan_merge(space.recipe(plan.recipe, {"lambda": 0.6, "expert0": 1.0, "expert1": 0.25}), None)
    (weights,) = next(step for step in found.steps if step.action == "merge").weights
    assert weights == pytest.approx((0.6, 0.32, 0.08))


@pytest.mark.parametrize(
    ("settings", "shares"),
    [({"lam": 0.7, "weights": [3.0, 1.0]}, (0.3, 0.1)), ({"weights": [0.8, 0.1, 0.1]}, (0.2, 0.2))],
    ids=["with λ", "without"],
)
def test_experts_that_are_not_searched_share_as_before(tiny: Tiny, settings: Any, shares: tuple[float, ...]) -> None:
    trio, other = tiny(), tiny(seed=5)
    plan = plan_merge(recipe_of(trio, code=[str(trio.code), str(other.code)], **settings), None)
    found = plan_merge(parse_space("scalar", plan).recipe(plan.recipe, {"lambda": 0.6}), None)
    (weights,) = next(step for step in found.steps if step.action == "merge").weights
    assert weights == pytest.approx((0.6, *shares))


@pytest.mark.parametrize("text", ["bands", "bands=1", "bands=99", "experts", "layers", "bands=2,anchors=2"])
def test_what_is_no_space_is_refused(plan: MergePlan, text: str) -> None:
    with pytest.raises(UsageError, match="not a space"):
        parse_space(text, plan)


def test_module_kinds_are_those_of_recipes(plan: MergePlan) -> None:
    assert set(parse_space("modules", plan).modules) == set(MODULES)


# ---- kill -9


def test_killed_and_run_again_repeats_no_trial(tiny: Tiny, tmp_path: Path) -> None:
    """The real command, killed by SIGKILL between two trials and within one."""
    pytest.importorskip("optuna")
    trio = tiny()
    rows = [
        {
            "id": f"r{n}",
            "category": "algorithm",
            "images": [],
            "messages": [
                {"role": "user", "content": f"Add {n}."},
                {"role": "assistant", "content": f"```python\nprint(x + {n})\n```"},
            ],
        }
        for n in range(8)
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows))

    def command(out: Path, budget: int) -> list[str]:
        models = ("--set", f"vlm={trio.vlm}", "--set", f"code={trio.code}")
        score = ("--score", f"loss:{tmp_path / 'rows.json'}", "--first", "0.7", "--budget", str(budget), "--quiet")
        return [
            sys.executable,
            "-m",
            "viscodex",
            "merge",
            "search",
            "task-arithmetic",
            *models,
            "--out",
            str(out),
            *score,
        ]

    def journal(out: Path) -> list[dict[str, Any]]:
        return list(JsonLines(out / "trials.jsonl"))

    out = tmp_path / "killed"
    for enough in (2, 5):
        process = subprocess.Popen(command(out, 500), stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 240
        while len(journal(out)) < enough and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    before = journal(out)
    subprocess.run(command(out, len(before) + 2), check=True, stdout=subprocess.DEVNULL)
    found = journal(out)
    assert found[: len(before)] == before
    assert [row["number"] for row in found] == list(range(len(before) + 2))
    points = [row["point"]["lambda"] for row in found]
    assert len(set(points)) == len(points)
    subprocess.run(command(tmp_path / "whole", len(found)), check=True, stdout=subprocess.DEVNULL)
    assert [row["point"] for row in journal(tmp_path / "whole")] == [row["point"] for row in found]
