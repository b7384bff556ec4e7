"""The first stage: ask the model, append its answers to predictions.jsonl. A second run asks only what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from viscodex.core import console
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.rundir import JsonLines
from viscodex.core.sample import Sample
from viscodex.eval.folder import Task, part_name
from viscodex.eval.perturb import parse_perturbation
from viscodex.eval.predictions import Place, read_predictions
from viscodex.eval.recipe import EvalRecipe
from viscodex.model.endpoint import Endpoint
from viscodex.model.generate import Completion, Generator, Sampling
from viscodex.model.standins import Blank, Oracle
from viscodex.runner.shards import Shard


@dataclass(frozen=True)
class Generated:
    """How many answers were there, how many came now, how many of these finished by error."""

    there: int
    new: int
    errors: int


def generate(task: Task, recipe: EvalRecipe, generator: Generator, shard: Shard) -> Generated:
    """Append what is missing of a shard's answers; each is on disk before the next is counted."""
    samples = {sample.id: sample for sample in task.samples if shard.holds(sample.id)}
    found = read_predictions(task.folder)
    missing = list(found.missing(samples, recipe.n))
    there = len(samples) * recipe.n - len(missing)
    if not missing:
        return Generated(there, 0, 0)
    task.folder.mkdir(parents=True, exist_ok=True)
    sampling, worse = recipe.sampling(task.benchmark.max_new_tokens), parse_perturbation(recipe.perturb)
    asked = [samples[sample_id] for sample_id in dict.fromkeys(sample_id for sample_id, _ in missing)]
    asked = [worse.apply(sample) for sample in asked] if worse else asked
    new = errors = 0
    label = f"{task.benchmark.name}: answers"
    with (
        JsonLines(task.folder / part_name("predictions", shard)) as file,
        console.progress(label, len(missing)) as progress,
    ):
        for completion in _answers(generator, asked, sampling, missing):
            file.append(completion.model_dump(), sync=True)
            new, errors = new + 1, errors + (completion.finish == "error")
            progress.advance(1)
    return Generated(there, new, errors)


def lacks_answers(task: Task, recipe: EvalRecipe, shard: Shard) -> bool:
    """Whether a shard has answers to ask for."""
    ids = [sample.id for sample in task.samples if shard.holds(sample.id)]
    return any(True for _ in read_predictions(task.folder).missing(ids, recipe.n))


def _answers(
    generator: Generator, samples: Sequence[Sample], sampling: Sampling, missing: Sequence[Place]
) -> Iterator[Completion]:
    """The answers to the missing places. A sample that lacks some of its n answers is asked for all of them again
    (a seed gives the same ones), and those already there are left out."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for sample_id, index in missing:
        wanted[sample_id].add(index)
    for completion in generator.generate(samples, sampling):
        if completion.index in wanted[completion.sample_id]:
            wanted[completion.sample_id].discard(completion.index)
            yield completion
    left = sum(map(len, wanted.values()))
    if left:
        raise VisCodexError(f"{generator.name} left {left} samples without an answer", hint="run the command again")


@contextmanager
def generator_of(recipe: EvalRecipe, replies: Path, log: Path) -> Iterator[Generator]:
    """The recipe's source of answers; `replies` keeps what an endpoint said, `log` what an engine did.

    Torch is imported only for a folder that is run in this process.
    """
    if recipe.generator:
        yield Oracle() if recipe.generator == "oracle" else Blank()
    elif recipe.endpoint:
        from viscodex.eval.services import client

        with client(recipe.endpoint, recipe.model, recipe.in_flight, replies, "answers") as found:
            yield Endpoint(found)
    elif recipe.engine:
        from viscodex.eval.services import served

        with served(recipe, log) as found:
            yield Endpoint(found)
    elif recipe.model:
        from viscodex.model.formats import quick_dtype
        from viscodex.model.local import Local

        console.say(f"loading {recipe.model}")
        pixels = recipe.max_pixels or None
        dtype = quick_dtype(recipe.model, recipe.device)
        yield Local(recipe.model, dtype=dtype, device=recipe.device, batch_size=recipe.batch_size, max_pixels=pixels)
    else:
        raise UsageError(
            "nobody is there to answer", hint="--model DIR, --endpoint URL --model NAME, --generator oracle"
        )
