"""Plan a merge from headers and configs alone: every tensor's fate, every problem, before a byte is written."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from viscodex.checkpoint.dtypes import FLOATS, by_torch_name
from viscodex.checkpoint.geometry import compare
from viscodex.checkpoint.layout import EMBEDDING, HEAD, Part
from viscodex.checkpoint.reader import Checkpoint, Key, TensorInfo, open_checkpoint
from viscodex.checkpoint.source import resolve
from viscodex.checkpoint.vision import vision_problems
from viscodex.checkpoint.writer import NewTensor, ShardPlan, plan_shards
from viscodex.core.errors import UsageError
from viscodex.core.problems import Problem, refuse
from viscodex.merge.arithmetic import METHODS, Method
from viscodex.merge.checks import output_problems, side_problems
from viscodex.merge.recipe import MergeRecipe, Module
from viscodex.merge.vocabulary import RowMap, match_rows
from viscodex.merge.weights import model_weights

NORMALISED = ("linear", "slerp")  # methods that divide by the sum of the weights
LEAST_SUM = 1e-12
FORMAT = 2  # of the engine: part of the fingerprint, so that a resume never mixes two versions' bytes


@dataclass(frozen=True)
class Source:
    """One model's share in a step: which tensor, and how its rows lie when they do not lie as the VLM's do.

    `is_task`: the file holds the task vector; the model is the base plus that.
    """

    model: int
    info: TensorInfo
    rows: RowMap | None = None
    is_task: bool = False


@dataclass(frozen=True)
class Step:
    """What happens to one output tensor. `weights` holds, per variant, one weight per model (the VLM first)."""

    part: Part
    key: str
    action: Literal["merge", "copy"]
    tuned: tuple[Source, ...]
    base: Source | None
    weights: tuple[tuple[float, ...], ...]
    out: NewTensor

    @property
    def rows_from_vlm(self) -> int:
        """Rows of an embedding that some other model does not have."""
        missing = vlm_only_rows(self)
        return 0 if missing is None else int(missing.sum())


@dataclass(frozen=True)
class MergePlan:
    """Everything the engine does, known in advance. `problems` must be empty to run."""

    recipes: tuple[MergeRecipe, ...]
    method: Method
    models: tuple[Checkpoint, ...]
    roles: tuple[str, ...]
    steps: tuple[Step, ...]
    shards: tuple[ShardPlan, ...]
    problems: tuple[Problem, ...]

    @property
    def recipe(self) -> MergeRecipe:
        return self.recipes[0]

    @property
    def vlm(self) -> Checkpoint:
        return self.models[0]

    @property
    def options(self) -> Mapping[str, float]:
        return self.recipe.options

    @property
    def out_bytes(self) -> int:
        """Bytes of all variants together."""
        return len(self.recipes) * sum(shard.nbytes for shard in self.shards)

    @property
    def in_bytes(self) -> int:
        """Bytes the merge reads, once each."""
        return sum(source.info.nbytes for step in self.steps for source in sources(step))

    @property
    def fingerprint(self) -> str:
        """What the bytes of the result depend on: recipes, every input file, and which rows of it are read."""
        inputs = [[sorted(model.stamps.items()), dataclasses.asdict(model.geometry)] for model in self.models]
        maps = [source.rows.digest if source.rows else "" for step in self.steps for source in sources(step)]
        text = json.dumps([FORMAT, [r.resolved() for r in self.recipes], inputs, maps], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def summary(self) -> dict[str, Any]:
        """Counts per part and action: tensors, parameters, bytes."""
        table: dict[str, dict[str, int]] = {}
        for step in self.steps:
            row = table.setdefault(f"{step.part}/{step.action}", {"tensors": 0, "parameters": 0, "bytes": 0})
            row["tensors"] += 1
            row["parameters"] += step.tuned[0].info.elements
            row["bytes"] += step.out.nbytes
        return table


def sources(step: Step) -> tuple[Source, ...]:
    """All the tensors a step reads."""
    return (*step.tuned, step.base) if step.base else step.tuned


def vlm_only_rows(step: Step) -> NDArray[np.bool_] | None:
    """Rows of an embedding that some other model does not have; None where rows are not matched."""
    maps = [source.rows.rows for source in sources(step) if source.rows is not None]
    if not maps:
        return None
    missing = np.zeros(len(maps[0]), dtype=bool)
    for rows in maps:
        missing |= rows < 0
    return missing


def plan_merge(
    recipe: MergeRecipe, out: Path | None, lambdas: Sequence[float] = (), called: Sequence[str] = ()
) -> MergePlan:
    """Plan `recipe` into `out`; with several `lambdas`, one variant each from a single reading of the inputs.

    `called`: other words than “vlm” and “code” for the models, in messages.

    Reads only headers, configs and tokenizers; without `out` the disk space is not looked at. Problems are collected
    in the plan; a recipe that names no models, or a path that is no checkpoint, raises.
    """
    recipes = tuple(recipe.with_lambda(lam) for lam in lambdas) or (recipe,)
    recipe = recipes[0]
    _require_models(recipe)
    method = METHODS[recipe.method]
    roles = ["vlm", *(["code"] if len(recipe.code) == 1 else [f"code[{i}]" for i in range(len(recipe.code))])]
    roles = list(called) or roles
    folders = [resolve(name) for name in (recipe.vlm, *recipe.code)]
    models = [open_checkpoint(folder, role) for folder, role in zip(folders, roles, strict=True)]
    if _reads_base(recipe, method, models):
        roles.append("base")
        models.append(open_checkpoint(resolve(recipe.base), "base"))
    problems = [problem for model in models for problem in model.problems]
    if not problems:
        problems = _compare_models(models, roles)
    planner = _Planner(recipes, method, models, roles, problems)
    steps = tuple(planner.step(key, info) for key, info in models[0].tensors.items()) if not problems else ()
    shards = tuple(plan_shards([step.out for step in steps], recipe.shard_size)) if steps else ()
    plan = MergePlan(recipes, method, tuple(models), tuple(roles), steps, shards, tuple(problems))
    around = side_problems(models) + (output_problems(models, plan.out_bytes, out) if out is not None else [])
    return dataclasses.replace(plan, problems=(*problems, *around))


def variant_names(plan: MergePlan) -> list[str]:
    """The sub-folder of each variant; a single one is the output folder itself."""
    if len(plan.recipes) == 1:
        return [""]
    lambdas = [recipe.lam for recipe in plan.recipes if isinstance(recipe.lam, float)]
    return [f"lambda-{lam:g}" if float(f"{lam:g}") == lam else f"lambda-{lam!r}" for lam in lambdas]


def require_sound(plan: MergePlan) -> None:
    """Raise one error with every problem of the plan."""
    refuse(plan.problems, where=f"{plan.recipe.name or 'merge'}: {plan.vlm.path}")


def _row_problems(vlm: Checkpoint) -> list[Problem]:
    """Rows that are not as many as the VLM's config says: the result would not load."""
    wanted, found = vlm.geometry.vocab_size, [vlm.tensors.get(("backbone", name)) for name in (EMBEDDING, HEAD)]
    return [
        Problem(
            "config.json and the tensors disagree",
            f"{vlm.role}: vocab_size {wanted}, but {info.name} {list(info.shape)}",
        )
        for info in found
        if wanted is not None and info is not None and info.shape[:1] != (wanted,)
    ]


class _Planner:
    """Turns the VLM's tensors into steps, one after the other, noting what does not fit."""

    def __init__(
        self,
        recipes: Sequence[MergeRecipe],
        method: Method,
        models: Sequence[Checkpoint],
        roles: Sequence[str],
        problems: list[Problem],
    ) -> None:
        self.recipes, self.recipe, self.method = recipes, recipes[0], method
        self.models, self.roles, self.problems = models, roles, problems
        self.has_base = len(models) > 1 + len(self.recipe.code)
        self.maps: dict[tuple[int, int, int], RowMap] = {}
        self.layers = models[0].geometry.layers or 1

    def step(self, key: Key, info: TensorInfo) -> Step:
        part, name = key[0], info.tied_to or key[1]  # a tied head is merged as the embedding it repeats
        own = Source(0, info)
        if part != "backbone" or not self._is_merged(name) or not info.elements:
            return Step(part, name, "copy", (own,), None, (), NewTensor(info.name, info.dtype, info.shape, info.nbytes))
        others = [self._source(model, name, info) for model in range(1, len(self.models))]
        found = [source for source in others if source is not None]
        complete = len(found) == len(others)
        tuned = (own, *(found[:-1] if self.has_base and complete else found))
        base = found[-1] if self.has_base and complete else None
        return Step(part, name, "merge", tuned, base, self._weights(name), self._out(info))

    def _is_merged(self, name: str) -> bool:
        if self.recipe.embeddings == "vlm" and name in (EMBEDDING, HEAD):
            return False
        return module_of(name) in self.recipe.merge

    def _source(self, model: int, name: str, info: TensorInfo) -> Source | None:
        role, found = self.roles[model], self.models[model].find(("backbone", name))
        if found is None:
            self.problems.append(Problem("missing backbone tensor", f"{role}: {name}"))
            return None
        if name in (EMBEDDING, HEAD) and len(info.shape) == len(found.shape) == 2 and info.shape[1] == found.shape[1]:
            rows = self._rows(model, info.shape[0], found.shape[0])
            return Source(model, found, rows, self.models[model].is_task_vector)
        if found.shape != info.shape:
            where = f"{name}: {self.roles[0]} {list(info.shape)}, {role} {list(found.shape)}"
            self.problems.append(Problem("shape differs", where, "merging needs the same backbone"))
            return None
        return Source(model, found, is_task=self.models[model].is_task_vector)

    def _rows(self, model: int, ours: int, theirs: int) -> RowMap:
        if (model, ours, theirs) not in self.maps:
            arguments = (self.models[0], self.models[model], self.roles[model], ours, theirs)
            self.maps[model, ours, theirs] = match_rows(*arguments, self.problems)
        return self.maps[model, ours, theirs]

    def _weights(self, name: str) -> tuple[tuple[float, ...], ...]:
        count = len(self.recipe.code)
        if not self.method.uses_weights:
            return tuple((1.0,) * (1 + count) for _ in self.recipes)
        rows = []
        for recipe in self.recipes:
            row = (1.0,) + (0.0,) * count
            try:
                row = tuple(model_weights(recipe.lam, recipe.weights, count, name, self.layers))
                if recipe.method in NORMALISED and abs(math.fsum(row)) < LEAST_SUM:
                    raise ZeroDivisionError
            except KeyError:
                what = "no weight pattern matches a tensor"
                self.problems.append(Problem(what, name, 'end the table with "*" = NUMBER'))
            except ZeroDivisionError:
                what = "the weights of a tensor sum to 0, and are to be divided by their sum"
                self.problems.append(Problem(what, name, "choose weights that do not cancel"))
            rows.append(row)
        return tuple(rows)

    def _out(self, info: TensorInfo) -> NewTensor:
        dtype = by_torch_name(self.recipe.dtype) or FLOATS.get(info.dtype)
        if dtype is None:
            return NewTensor(info.name, info.dtype, info.shape, info.nbytes)
        return NewTensor(info.name, dtype.name, info.shape, info.elements * dtype.bytes)


def module_of(name: str) -> Module:
    """The module kind of a backbone key."""
    if name.startswith("model.embed_tokens."):
        return "embeddings"
    if name.startswith("lm_head."):
        return "head"
    if "norm" in name:
        return "norms"
    return "attention" if ".self_attn." in name else "mlp"


def _require_models(recipe: MergeRecipe) -> None:
    lacking = [key for key in ("vlm", "code") if not getattr(recipe, key)]
    if lacking:
        flags = " ".join(f"--set {key}=PATH" for key in lacking)
        raise UsageError(f"the recipe names no {' and no '.join(lacking)}", where=recipe.name, hint=flags)
    method = METHODS[recipe.method]
    if method.most_models is not None and 1 + len(recipe.code) > method.most_models:
        raise UsageError(f"{recipe.method} takes one code model, not {len(recipe.code)}", where=recipe.name)
    if method.needs_base == "always" and not recipe.base:
        raise UsageError(f"{recipe.method} needs the base model", where=recipe.name, hint="--set base=PATH")
    if method.uses_weights and recipe.lam is None and recipe.weights is None:
        raise UsageError("the recipe has neither lambda nor weights", where=recipe.name, hint="--lambda 0.7")


def _reads_base(recipe: MergeRecipe, method: Method, models: Sequence[Checkpoint]) -> bool:
    """Whether the base takes part; `models` are the VLM and the code models."""
    vectors = [model.path for model in models[1:] if model.is_task_vector]
    if vectors and not recipe.base:
        raise UsageError("a task vector needs the base it was taken from", str(vectors[0]), hint="--set base=PATH")
    if method.needs_base == "always" or vectors:
        return True
    if method.needs_base == "never" or recipe.lam is not None:
        return False
    if not all(isinstance(weight, float) for weight in recipe.weights or []) and recipe.base:
        return True  # tables and anchors may be anything, and the base is there
    if _sum_to_one(recipe, models[0]):
        return False
    if not recipe.base:
        why = "the weights do not sum to 1"
        raise UsageError(f"{recipe.method} needs the base model when {why}", recipe.name, hint="--set base=PATH")
    return True


def _sum_to_one(recipe: MergeRecipe, vlm: Checkpoint) -> bool:
    """Whether the weights do in every backbone tensor; of one that no pattern covers nothing is known yet."""
    layers, count = vlm.geometry.layers or 1, len(recipe.code)
    for key in (key for part, key in vlm.tensors if part == "backbone"):
        with suppress(KeyError):
            if abs(math.fsum(model_weights(None, recipe.weights, count, key, layers)) - 1.0) >= LEAST_SUM:
                return False
    return True


def _compare_models(models: Sequence[Checkpoint], roles: Sequence[str]) -> list[Problem]:
    problems = [
        Problem("a task vector where a model is wanted", f"{role}: {model.path}", "viscodex merge apply, first")
        for model, role in zip(models, roles, strict=True)
        if model.is_task_vector and role in (roles[0], "base")
    ]
    if models[0].family.is_multimodal and not models[0].is_task_vector:
        problems += vision_problems(models[0].tensors, models[0].config, roles[0])
    problems += _row_problems(models[0])
    vlm_keys = {key for part, key in models[0].tensors if part == "backbone"}
    for model, role in zip(models[1:], roles[1:], strict=True):
        problems += compare(models[0].geometry, model.geometry, role, roles[0])
        extra = {key for part, key in model.tensors if part == "backbone"} - vlm_keys
        tied = {HEAD} if model.geometry.tied_embeddings else set()
        where = f"not in the {roles[0]}"
        problems += [Problem("extra backbone tensor", f"{role}: {key}, {where}") for key in sorted(extra - tied)]
    return problems
