"""What is trained and what is frozen: set, shown, asserted, and checked by its bytes afterwards."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import xxhash

from viscodex.checkpoint.layout import PARTS, Part, part_of
from viscodex.core.errors import VisCodexError


@dataclass(frozen=True)
class PartRow:
    """One line of the table."""

    part: Part
    parameters: int
    trainable: int
    bytes: int


def freeze_all_but(model: torch.nn.Module, trained: Collection[Part]) -> None:
    """Gradients for the named parts alone."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name) in trained)


def table_of(model: torch.nn.Module) -> list[PartRow]:
    """Part, parameters, trainable ones; before sharding, since a shard shows only itself."""
    rows = []
    for part in PARTS:
        mine = [p for name, p in model.named_parameters() if part_of(name) == part]
        rows.append(
            PartRow(
                part,
                sum(p.numel() for p in mine),
                sum(p.numel() for p in mine if p.requires_grad),
                sum(p.numel() * p.element_size() for p in mine),
            )
        )
    return rows


def check_parts(rows: list[PartRow], trained: Collection[Part], *, adapters: bool) -> None:
    """Refuse a model in which something else is trained than what was asked for."""
    for row in rows:
        is_partly = adapters and row.part == "backbone"
        expected = row.parameters if row.part in trained else 0
        if row.trainable != expected and not (is_partly and 0 < row.trainable < row.parameters):
            raise VisCodexError(
                f"{row.part}: {row.trainable:,} of {row.parameters:,} parameters would be trained, not {expected:,}",
                hint="this is a fault of viscodex; please report it with the recipe",
            )


def frozen_digests(model: Any) -> dict[str, str]:
    """Content of every frozen tensor by name; equal before and after training."""
    return {
        name: xxhash.xxh3_128_hexdigest(_bytes(parameter))
        for name, parameter in model.named_parameters()
        if not parameter.requires_grad and not hasattr(parameter, "full_tensor")
    }


def check_frozen(before: Mapping[str, str], model: Any) -> None:
    """Raise if a frozen tensor has changed."""
    changed = [name for name, digest in frozen_digests(model).items() if before[name] != digest]
    if changed:
        raise VisCodexError(f"{len(changed)} frozen tensors have changed: {changed[0]}, …")


def _bytes(tensor: torch.Tensor) -> Any:
    return tensor.detach().cpu().contiguous().view(torch.uint8).numpy()
