"""All stages of an evaluation, each through files: any of them can be run again alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viscodex.core import console
from viscodex.core.errors import UsageError
from viscodex.core.recipe import assign
from viscodex.eval.folder import Task, open_run, part_name, recorded_recipe
from viscodex.eval.generate import generate, generator_of, lacks_answers
from viscodex.eval.judging import judge_answers
from viscodex.eval.recipe import EvalRecipe
from viscodex.eval.report import Report, write_reports
from viscodex.eval.score import score
from viscodex.eval.services import judge_of
from viscodex.eval.store import Store, default_store
from viscodex.runner.shards import Shard


@dataclass(frozen=True)
class Stages:
    """How an evaluation is carried out; none of it changes a number."""

    shard: Shard = field(default_factory=Shard)
    workers: int = 1
    store: Path | None = None

    @property
    def scores(self) -> Store:
        return Store(self.store or default_store())


def run_all(recipe: EvalRecipe, out: Path, how: Stages) -> Report:
    """Generate, score, judge, report."""
    tasks = open_run(out, recipe)
    require_judge(recipe, tasks)
    generate_all(recipe, tasks, how)
    score_all(recipe, tasks, how)
    return write_reports(out, recipe, tasks, how.scores)


def generate_all(recipe: EvalRecipe, tasks: Sequence[Task], how: Stages) -> None:
    """Ask for every answer that is missing; the model is loaded only if there is one."""
    lacking = [task for task in tasks if lacks_answers(task, recipe, how.shard)]
    if not lacking:
        console.say("every answer is there")
        return
    log = (tasks[0].folder.parent / part_name("engine", how.shard)).with_suffix(".log")
    with generator_of(recipe, how.scores.folder, log) as generator:
        for task in lacking:
            found = generate(task, recipe, generator, how.shard)
            errors = f", {found.errors} of them by error" if found.errors else ""
            console.say(f"{task.benchmark.name}: {found.there} answers were there, {found.new} are new{errors}")


def score_all(recipe: EvalRecipe, tasks: Sequence[Task], how: Stages) -> None:
    """Score every answer that has no score yet; then judge those that wait for a judge, if there is one."""
    for task in tasks:
        found = score(task, how.shard, how.scores, how.workers, is_judged=recipe.is_judged)
        told = f"{found.already} scored already, {found.from_store} known, {found.new} new"
        console.say(f"{task.benchmark.name}: {told}" + _faults("unscored", found.unscored))
    with judge_of(recipe, how.scores.folder) as judge:
        for task in tasks if judge else ():
            assert judge is not None
            judged = judge_answers(task, how.shard, how.scores, judge)
            told = f"{judged.already} judged already, {judged.new} asked now"
            console.say(f"{task.benchmark.name}: {told}" + _faults("without a judgement", judged.errors))


def _faults(label: str, found: Mapping[str, int]) -> str:
    return f"; {label}: " + ", ".join(f"{reason} {n}" for reason, n in found.items()) if found else ""


def reopen(
    out: Path, names: Sequence[str] = (), overrides: Mapping[str, Any] | None = None
) -> tuple[EvalRecipe, list[Task]]:
    """The recipe and tasks of an existing folder (or some of its benchmarks), with other settings where given."""
    recorded = recorded_recipe(out)
    values = recorded.resolved()
    for key, value in (overrides or {}).items():
        assign(values, key.split("."), value)
    recipe = EvalRecipe.parse(values, where=str(out))
    if unknown := [name for name in names if name not in recipe.benchmarks]:
        raise UsageError(f"this run has no {unknown[0]}", where=str(out), hint=", ".join(recipe.benchmarks))
    if names:
        recipe = recipe.model_copy(update={"benchmarks": list(names)})
    return recipe, open_run(out, recipe)


def summary_table(summary: Report) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """What the terminal shows: header and rows."""
    rows = []
    for name, report in summary["benchmarks"].items():
        for column in report["protocols"]["fixed"]["columns"]:
            fixed, paper = (report["protocols"][rules]["columns"][column] for rules in ("fixed", "paper"))
            counts = report["protocols"]["fixed"]["counts"]
            rows.append((name, column, *_cells(fixed), *_cells(paper)[:1], *map(str, counts.values())))
            name = ""
    return ("benchmark", "column", "fixed", "95 %", "paper", "scored", "failed", "unscored"), rows


def _cells(estimate: dict[str, Any] | None) -> tuple[str, str]:
    from viscodex.eval.markdown import estimate_cells

    return estimate_cells(estimate)


def require_judge(recipe: EvalRecipe, tasks: Sequence[Task]) -> None:
    """Judged metrics need a judge, or the word that there is none."""
    judged = [task.benchmark.name for task in tasks if any(metric.judged for metric in task.benchmark.metrics)]
    if judged and not recipe.judge.endpoint and not recipe.judge.none:
        raise UsageError(
            f"{' and '.join(judged)} have metrics that a judge scores, and none is named",
            hint="--judge URL --judge-model NAME, or --no-judge to leave them out",
        )
