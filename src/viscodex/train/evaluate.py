"""The loss on held-out samples, by category: per answer token, as in training."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from viscodex.core.sample import KINDS
from viscodex.train.forward import Objective
from viscodex.train.loader import Loader
from viscodex.train.order import Rows
from viscodex.train.parallel import World

TOGETHER = 64  # samples packed at once


@torch.no_grad()
def held_out_losses(objective: Objective, loader: Loader, rows: Rows, world: World) -> dict[str, float]:
    """Category → mean loss of its answer tokens, and `all`; empty if nothing is held out. Every rank takes part."""
    sums = torch.zeros(len(KINDS), dtype=torch.float64)
    counts = torch.zeros(len(KINDS), dtype=torch.float64)
    was_training = objective.training
    objective.eval()
    for kinds, losses in _losses(objective, loader, rows, world):
        sums.index_add_(0, kinds, losses)
        counts.index_add_(0, kinds, torch.ones_like(losses))
    objective.train(was_training)
    total = world.sum([*sums.tolist(), *counts.tolist()])
    by_kind = list(zip(KINDS, total[: len(KINDS)], total[len(KINDS) :], strict=True))
    found = {kind: loss / count for kind, loss, count in by_kind if count}
    everything = sum(count for *_, count in by_kind)
    return found | ({"all": sum(loss for _, loss, _ in by_kind) / everything} if everything else {})


def _losses(
    objective: Objective, loader: Loader, rows: Rows, world: World
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    steps = -(-len(rows) // TOGETHER)
    for step in loader.steps(lambda n: rows[n * TOGETHER : (n + 1) * TOGETHER], 0, steps):
        for batch in step.batches:
            losses = objective(batch.to(world.device))
            yield batch.kinds, losses.double().cpu()
