"""The folder of a run: OUT/recipe.json, and for each benchmark its answers, scores, pictures and report.

OUT/recipe.json                   how answers are made; another recipe needs another folder
OUT/NAME/predictions*.jsonl       one answer a line, appended to; one file per shard
OUT/NAME/scores*.jsonl            one score a line (sample, answer, protocol), appended to
OUT/NAME/pictures/…png            what the report shows
OUT/NAME/report.json, .md, .html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.rundir import read_json, write_json
from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Benchmark, Suite, benchmark
from viscodex.eval.recipe import EvalRecipe
from viscodex.eval.store import content_hash, task_hash
from viscodex.runner.shards import Shard, shard_name

MAKES_ANSWERS = (
    *(
        "seed",
        "data",
        "imported",
        "generator",
        "model",
        "endpoint",
        "engine",
        "temperature",
        "top_p",
        "max_new_tokens",
        "n",
    ),
    *("max_pixels", "limit", "skip", "perturb"),
)
"""Settings that change what is asked or answered: they cannot change within a folder. Others (judge, workers) can."""


@dataclass(frozen=True)
class Task:
    """A benchmark within a run: its samples (after `skip` and `limit`), and its folder."""

    benchmark: Benchmark
    suite: Suite
    samples: tuple[Sample, ...]
    folder: Path


def part_name(stem: str, shard: Shard) -> str:
    """`scores.jsonl` of the whole, `scores-00002-of-00008.jsonl` of a part."""
    return f"{stem}.jsonl" if shard.count == 1 else shard_name(stem, shard.index - 1, shard.count, "jsonl")


def open_run(out: Path, recipe: EvalRecipe) -> list[Task]:
    """Load the benchmarks of a recipe and bind the folder to it. Raises when another recipe made its answers."""
    settings = answer_settings(recipe)
    path = out / "recipe.json"
    if path.exists():
        _require_same(settings, answer_settings(recorded_recipe(out)), out)
    elif out.exists() and any(out.iterdir()) and not any(out.glob("*/predictions*.jsonl")):
        raise UsageError("the output folder holds something else", where=str(out), hint="choose another --out")
    tasks = [_task(out, recipe, name) for name in recipe.benchmarks]
    out.mkdir(parents=True, exist_ok=True)
    write_json(path, recipe.resolved() | {"benchmarks": _all_benchmarks(out, recipe)})
    return tasks


def recorded_recipe(out: Path) -> EvalRecipe:
    """The recipe that a folder is bound to."""
    if not (out / "recipe.json").exists():
        raise UsageError("no evaluation in this folder", where=str(out), hint="viscodex eval NAME --out FOLDER")
    return EvalRecipe.parse(read_json(out / "recipe.json"), where=str(out / "recipe.json"))


def answer_settings(recipe: EvalRecipe) -> dict[str, Any]:
    """What of a recipe decides about answers."""
    resolved = recipe.resolved()
    return {name: resolved[name] for name in MAKES_ANSWERS}


def suite_hash(samples: Sequence[Sample]) -> str:
    """Of all tasks, whatever their order: equal for equal data."""
    return content_hash(sorted((sample.id, task_hash(sample)) for sample in samples))


def _task(out: Path, recipe: EvalRecipe, name: str) -> Task:
    found = benchmark(name)
    source = recipe.data.get(name, "")
    suite = found.load(Path(source).expanduser() if source else None)
    ids = [sample.id for sample in suite.samples]
    if len(set(ids)) < len(ids):
        twice = next(sample_id for sample_id in ids if ids.count(sample_id) > 1)
        raise VisCodexError(f"two samples of {name} have one id", where=f"{source}: {twice}")
    if not ids:
        raise VisCodexError(f"{name} has no samples", where=source, hint="look at the rejects of the loader")
    samples = suite.samples
    if recipe.limit or recipe.skip:
        end = recipe.skip + recipe.limit if recipe.limit else None
        chosen = set(sorted(ids, key=content_hash)[recipe.skip : end])
        samples = tuple(sample for sample in samples if sample.id in chosen)
    if not samples:
        raise UsageError(f"{name} has {len(ids)} samples, and {recipe.skip} are left out", where=source)
    return Task(found, suite, samples, out / name)


def _require_same(wanted: Mapping[str, Any], recorded: Mapping[str, Any], out: Path) -> None:
    pairs = {key: (recorded[key], wanted[key]) for key in wanted if wanted[key] != recorded[key]}
    different = [f"{key}: {there!r} there, {now!r} now" for key, (there, now) in pairs.items()]
    if different:
        raise UsageError(
            f"the answers in this folder were made with other settings ({'; '.join(different)})",
            where=str(out),
            hint="choose another --out",
        )


def _all_benchmarks(out: Path, recipe: EvalRecipe) -> list[str]:
    """Those of the recipe, and those that earlier calls left here."""
    earlier = [path.parent.name for path in out.glob("*/predictions*.jsonl")]
    return list(dict.fromkeys([*recipe.benchmarks, *sorted(earlier)]))
