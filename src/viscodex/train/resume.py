"""Checkpoints of a run: written beside their place and renamed, the last few kept, read back to the bit.

torch.distributed.checkpoint writes each rank's shards under the names the model has in memory, so a run may go on with
another number of ranks. Frozen tensors are not in it: they are the starting model's, and their digests are compared.
Random numbers need no saving: every step begins with a seed made of the recipe's, the step and the rank.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.checkpoint.state_dict_loader import load as load_state
from torch.distributed.checkpoint.state_dict_saver import save as save_state

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.rundir import fsync_folder, read_json, remove_tree, write_json
from viscodex.train.parallel import World

NAME = re.compile(r"step-(\d{6,})")
META = "training.json"

# Settings that say where and how often, not what is learned: they may change between the parts of one run.
FREE = frozenset({"name", "prepared", "workers", "ahead", "keep", "checkpoint_every", "eval_every", "samples_every"})
FREE |= {"samples", "sample_tokens", "tensorboard", "eval_limit"}


def checkpoints(out: Path) -> list[tuple[int, Path]]:
    """(step, folder) of every complete checkpoint, oldest first."""
    found = [(int(match[1]), path) for path in out.glob("step-*") if (match := NAME.fullmatch(path.name))]
    return sorted((step, path) for step, path in found if (path / META).is_file())


def save(
    out: Path,
    step: int,
    model: Any,
    optimizer: torch.optim.Optimizer,
    facts: Mapping[str, Any],
    world: World,
    keep: int,
) -> Path:
    """Write `step-NNNNNN/`: it exists once it is complete. Older ones beyond `keep` go afterwards."""
    final = out / f"step-{step:06d}"
    partial = out / f"{final.name}.partial"
    with world.first_alone() as is_first:
        if is_first:
            remove_tree(partial)
            partial.mkdir(parents=True)
    with _quiet():
        save_state(_state(model, optimizer), checkpoint_id=partial, no_dist=world.size == 1)
    if world.is_first:
        write_json(partial / META, {"step": step, **facts})
        fsync_folder(partial)
        remove_tree(final)
        partial.rename(final)
        fsync_folder(out)
        for _, old in checkpoints(out)[:-keep]:
            remove_tree(old)
    world.barrier()
    return final


def restore(
    folder: Path, model: Any, optimizer: torch.optim.Optimizer, recipe: Mapping[str, Any], world: World
) -> dict[str, Any]:
    """Fill weights and optimiser from a checkpoint; returns what `save` was told. Refuses another recipe's."""
    facts: dict[str, Any] = read_json(folder / META)
    differing = [k for k in recipe if k not in FREE and recipe[k] != facts["recipe"].get(k)]
    if differing:
        listed = ", ".join(f"{k} was {facts['recipe'].get(k)!r}" for k in differing)
        raise UsageError(f"the run was begun with other settings: {listed}", str(folder), "the same settings, or --out")
    state = _state(model, optimizer)
    try:
        with _quiet():
            load_state(state, checkpoint_id=folder, no_dist=world.size == 1)
    except (CheckpointException, OSError, RuntimeError, KeyError, ValueError) as error:
        raise VisCodexError(
            f"cannot read the checkpoint: {error}", str(folder), "remove it to go on from the one before"
        ) from error
    _fill(model, state["model"])
    set_optimizer_state_dict(model, optimizer, state["optimizer"], options=StateDictOptions(strict=True))
    return facts


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warning that one process is one process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield


def _state(model: Any, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    trained = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    return {"model": trained, "optimizer": get_optimizer_state_dict(model, optimizer)}


def _fill(model: Any, saved: Mapping[str, torch.Tensor]) -> None:
    """dcp reads into the tensors it is given, which are the parameters' own; anything else is a fault."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and saved[name].data_ptr() != parameter.data_ptr():
            raise VisCodexError(f"{name} was not restored in place")
