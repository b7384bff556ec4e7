"""Build a data set: every category through its stages, then the folder that people look at, load and publish.

A build may be killed at any moment: what is known stands in OUT.work, and the same command goes on. OUT itself appears
when it is complete.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa

from viscodex.core.errors import UsageError
from viscodex.core.rundir import partial_path, publish, read_json, remove_tree, require_free, write_json
from viscodex.core.sample import KINDS
from viscodex.data.attribution import write_attribution
from viscodex.data.card import write_card
from viscodex.data.decontaminate import decontaminated
from viscodex.data.facts import BUILD, facts_of
from viscodex.data.gallery import write_gallery
from viscodex.data.output import write_category
from viscodex.data.pipeline import Pipeline
from viscodex.data.progress import Watcher
from viscodex.data.recipe import SCRIPTED, DataRecipe
from viscodex.data.steps import Plan, plan_steps
from viscodex.data.walk import Means, Walked, walk
from viscodex.data.workshop import Workshop, open_workshop, workshop_path
from viscodex.runner.service import Service
from viscodex.runner.shards import Shard
from viscodex.runner.workers import WorkerLimits

BUNDLED, MARK = Path(__file__).parent / "bundled", "bundled:"


@dataclass(frozen=True)
class Order:
    """What to build: a recipe's pipelines, or a part of them. `facts` are what each category's settings say."""

    recipe: DataRecipe
    pipelines: Sequence[Pipeline]
    facts: Sequence[str]
    shard: Shard = field(default_factory=Shard)

    @property
    def plans(self) -> list[Plan]:
        """Every category with its steps."""
        selection = f"limit {self.recipe.limit}, part {self.shard.index}/{self.shard.count}"
        pairs = zip(self.pipelines, self.facts, strict=True)
        return [plan_steps(pipeline, facts, selection, self.recipe.model_name) for pipeline, facts in pairs]

    def part(self, shard: Shard) -> Order:
        """The same order, of that part alone."""
        return replace(self, shard=shard)

    def identity(self) -> dict[str, Any]:
        """What must be the same for two folders to hold the same build, or parts of one."""
        keys = {plan.category: [step.key for step in plan.steps] for plan in self.part(Shard()).plans}
        return {"steps": keys, "limit": self.recipe.limit, "splits": dict(self.recipe.splits)}


def pipelines_of(recipe: DataRecipe) -> tuple[list[Pipeline], list[str]]:
    """The recipe's categories, and what each one's settings say."""
    pipelines, facts = [], []
    for category in KINDS:
        settings = getattr(recipe, category)
        if settings is not None:
            here = type(settings).model_validate(unbundled(settings.model_dump()))
            pipeline = import_module(f"viscodex.data.{category}").pipeline(here)
            is_compared = bool(recipe.decontaminate.benchmarks)
            pipelines.append(decontaminated(pipeline, recipe.decontaminate) if is_compared else pipeline)
            facts.append(settings.model_dump_json())
    return pipelines, facts


def unbundled(value: Any) -> Any:
    """Settings with `bundled:charts` and the like as paths: a recipe's own text must not depend on where we live."""
    match value:
        case str():
            return str(BUNDLED / value.removeprefix(MARK)) if value.startswith(MARK) else value
        case dict():
            return {key: unbundled(inner) for key, inner in value.items()}
        case list() | tuple():
            return [unbundled(inner) for inner in value]
    return value


def order_of(recipe: DataRecipe, shard: Shard | None = None) -> Order:
    """The order that a recipe is; UsageError when it names no category."""
    pipelines, facts = pipelines_of(recipe)
    if not pipelines:
        raise UsageError("the recipe names no category", hint="a table [html], [chart], [qa] or [algorithm]")
    return Order(recipe, pipelines, facts, shard or Shard())


def build(order: Order, out: Path, *, retry_failed: bool = False) -> dict[str, Any]:
    """Build into OUT, going on where an earlier run stopped; what OUT/build.json says."""
    if (out / BUILD).is_file() and not retry_failed:
        return _built(order, out)
    require_free(out)
    pa.set_memory_pool(pa.system_memory_pool())  # it gives back what it frees: 15 MB less at the peak
    out.parent.mkdir(parents=True, exist_ok=True)
    with open_workshop(workshop_path(out), order.shard, order.identity()) as workshop:
        if retry_failed:
            _forget_failed(order, workshop)
        walked = _walk_all(order, workshop)
        partial = partial_path(out)
        remove_tree(partial)
        partial.mkdir(parents=True)
        made = [write_category(way, workshop, partial, order.recipe.splits) for way in walked]
        result = facts_of(order.recipe, order.shard, made, workshop, partial)
        write_attribution(partial, made)
        write_gallery(partial, made, workshop)
        write_card(partial, order.recipe, made, result)
        write_json(partial / BUILD, result | {"identity": order.identity()})
    publish(partial, out)
    return result


def _built(order: Order, out: Path) -> dict[str, Any]:
    """What is there already, if it is what is asked for."""
    found: dict[str, Any] = read_json(out / BUILD)
    same = (order.identity(), [order.shard.index, order.shard.count])
    if (found.get("identity"), found.get("shard")) != same:
        raise UsageError(
            "the folder holds another build",
            where=str(out),
            hint="another --out; or remove the folder: with what is in its .work, only what changed is done",
        )
    return found


def _walk_all(order: Order, workshop: Workshop) -> list[Walked]:
    with open_service(order.recipe) as service:
        found = []
        for plan in order.plans:
            watcher = Watcher(plan.category)
            means = means_of(order.recipe, service, watcher)
            try:
                found.append(walk(plan, workshop, means, order.shard, order.recipe.limit))
            finally:
                watcher.close()
        return found


def means_of(recipe: DataRecipe, service: Service | None, watch: Any) -> Means:
    """What a recipe gives a build to run on."""
    limits = WorkerLimits(row_s=recipe.row_s, tries=recipe.tries)
    return Means(recipe.workers or os.cpu_count() or 1, limits, service, recipe.ray, watch)


@contextmanager
def open_service(recipe: DataRecipe) -> Iterator[Service | None]:
    """The recipe's model: a real service, our scripted one for as long as the build lasts, or none."""
    if not recipe.model_name:
        yield None
    elif recipe.llm.endpoint == SCRIPTED:
        from viscodex.data.scripted import ScriptedEndpoint

        with ScriptedEndpoint() as endpoint:
            yield recipe.llm.service(endpoint.url)
    else:
        yield recipe.llm.service(recipe.llm.endpoint)


def _forget_failed(order: Order, workshop: Workshop) -> None:
    for plan in order.plans:
        for step in plan.steps:
            workshop.journal.forget_failed(step.key)
