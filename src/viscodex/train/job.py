"""A run from recipe to `final/`: load, freeze, resume, train, export."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w
import torch

from viscodex.checkpoint.layout import PARTS
from viscodex.checkpoint.source import resolve
from viscodex.core import console
from viscodex.core.errors import UsageError
from viscodex.core.rundir import atomic_write
from viscodex.model.load import load_model
from viscodex.model.processor import load_processor
from viscodex.train.adapters import add_adapters
from viscodex.train.attention import use_attention
from viscodex.train.encode import Encoder
from viscodex.train.final import write_final
from viscodex.train.forward import Objective
from viscodex.train.loader import Loader
from viscodex.train.loop import Run, train
from viscodex.train.optimize import make_optimizer
from viscodex.train.order import Order
from viscodex.train.parallel import World, place
from viscodex.train.parts import PartRow, check_frozen, check_parts, freeze_all_but, frozen_digests, table_of
from viscodex.train.prepare import prepare, prepared_folder
from viscodex.train.provenance import shown_settings, versions
from viscodex.train.recipe import TrainRecipe
from viscodex.train.report import Reporter
from viscodex.train.resume import checkpoints, restore
from viscodex.train.samples import SamplePage, page_writer
from viscodex.train.sources import open_sources
from viscodex.train.store import Prepared, Split, split_rows


@dataclass(frozen=True)
class Material:
    """What is trained on, measured: the same on every rank."""

    folder: Path  # the starting checkpoint
    encoder: Encoder
    data: Prepared
    split: Split
    order: Order
    steps: int
    samples: int


def gather_material(recipe: TrainRecipe, world: World) -> Material:
    """Resolve the model, measure the data (once), and lay out the steps."""
    if not recipe.model:
        raise UsageError("no model", hint="--set model=FOLDER")
    folder = resolve(recipe.model)
    encoder = Encoder(load_processor(folder, min_pixels=recipe.min_pixels, max_pixels=recipe.max_pixels))
    sources = open_sources(recipe.data, recipe.images)
    place = prepared_folder(recipe, folder, sources)
    with world.first_alone() as is_first:
        if is_first or world.local_rank == 0:  # on other machines it may be there already
            prepare(sources, encoder, place)
    world.barrier()
    data = Prepared(place)
    split = split_rows(data, recipe)
    order = Order.of(split.train, data.kinds[split.train], recipe.mixture, recipe.seed)
    samples = round(recipe.epochs * order.epoch_size)
    steps = -(-samples // recipe.batch_size)
    if recipe.max_steps is not None:
        steps = min(steps, recipe.max_steps)
    return Material(folder, encoder, data, split, order, steps, min(samples, steps * recipe.batch_size))


def precision_of(recipe: TrainRecipe, device: torch.device) -> str:
    if recipe.precision != "auto":
        return recipe.precision
    return "mixed" if device.type == "cuda" else "float32"


def trainable_model(recipe: TrainRecipe, folder: Path, precision: str) -> tuple[Any, list[PartRow]]:
    """The model with the right parts frozen, in the right number formats, and the table that says so."""
    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    model = load_model(folder, dtype, parts=PARTS)
    freeze_all_but(model, recipe.train_parts)
    if recipe.lora_rank:
        add_adapters(model, recipe)
    rows = table_of(model)
    check_parts(rows, recipe.train_parts, adapters=recipe.lora_rank > 0)
    return model, rows


def run_training(recipe: TrainRecipe, out: Path, world: World) -> dict[str, Any]:
    """Train into OUT, or go on where it stopped. Returns what the command line shows."""
    precision = precision_of(recipe, world.device)
    if world.is_first:
        out.mkdir(parents=True, exist_ok=True)
        atomic_write(out / "recipe.toml", tomli_w.dumps(shown_settings(recipe.resolved())))
    material = gather_material(recipe, world)
    with world.in_turns():
        model, rows = trainable_model(recipe, material.folder, precision)
        use_attention(model, recipe.attention, world.device)
        digests = frozen_digests(model)
        objective = Objective(model, loss_chunk=recipe.loss_chunk, checkpointing=recipe.checkpointing)
        place(objective, world, precision)
    if world.is_first:
        say_parts(rows)
    optimizer = make_optimizer(model, recipe, world.device)
    facts = {
        "recipe": recipe.resolved(),
        "versions": versions(),
        "data": material.data.facts,
        "frozen": _digest(digests),
    }
    start = resume(out, model, optimizer, recipe, facts, world)
    reporter = Reporter(out, material.steps, world.is_first, recipe.tensorboard)
    reporter.forget_after(start)
    reporter.skipped(list(material.data.skipped(recipe.max_length)))
    loader = Loader(
        material.data, material.encoder, recipe.batch_tokens, world.rank, world.size, recipe.workers, recipe.ahead
    )
    run = Run(
        recipe=recipe,
        out=out,
        world=world,
        objective=objective,
        optimizer=optimizer,
        loader=loader,
        order=material.order,
        held_out=material.split.held_out,
        steps=material.steps,
        samples=material.samples,
        precision=precision,
        reporter=reporter,
        facts=facts,
    )
    if recipe.samples_every:
        page = SamplePage(
            out, recipe.name, material.data, material.encoder, run.held_out[: recipe.samples], recipe.sample_tokens
        )
        run = replace(run, page=page_writer(page, objective, world, run.autocast))
    try:
        train(run, start)
    finally:
        reporter.close()
    check_frozen(digests, model)
    write_final(out / "final", model, material.folder, {"step": run.steps, **facts}, world)
    return summary(run, material, rows)


def resume(
    out: Path, model: Any, optimizer: torch.optim.Optimizer, recipe: TrainRecipe, facts: Mapping[str, Any], world: World
) -> int:
    """The step to go on from: that of the latest checkpoint in OUT, or 0."""
    found = checkpoints(out)
    if not found:
        return 0
    step, folder = found[-1]
    saved = restore(folder, model, optimizer, recipe.resolved(), world)
    for name, what in (("data", "the data"), ("frozen", "the starting model")):
        if saved[name] != facts[name]:
            raise UsageError(f"{what} changed since {folder.name} was written", str(out), "choose another --out")
    if world.is_first:
        console.say(f"going on from {folder}")
    return step


def say_parts(rows: list[PartRow]) -> None:
    """The table of parts, on stderr with the rest of the progress."""
    for row in rows:
        share = "trained" if row.trainable else "frozen"
        console.say(f"{row.part:>10}: {row.parameters:>15,} parameters, {row.trainable:>15,} trained ({share})")


def summary(run: Run, material: Material, rows: list[PartRow]) -> dict[str, Any]:
    measured = list(run.reporter.metrics)
    evals = [row["losses"] for row in measured if row["kind"] == "eval"]
    skips = Counter(row["reason"] for row in run.reporter.skips)
    return {
        "title": run.recipe.name,
        "steps": run.steps,
        "samples": run.samples,
        "parts": {row.part: {"parameters": row.parameters, "trained": row.trainable} for row in rows},
        "skipped": dict(skips),
        "held_out": {"first": evals[0], "last": evals[-1]} if evals else {},
        "final": str(run.out / "final"),
    }


def _digest(digests: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(digests.items())).encode()).hexdigest()[:32]
