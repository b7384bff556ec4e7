"""What keeps a checkpoint from filling a model: missing, left over, of a wrong shape, or there twice; told by part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import (
    WeightConverter,
    WeightRenaming,
    convert_and_load_state_dict_in_model,
    rename_source_key,
)
from transformers.modeling_utils import LoadStateDictConfig

from viscodex.checkpoint.layout import PARTS, Part, part_of
from viscodex.core.errors import VisCodexError

SHOWN = 3  # names listed per part and fault


@dataclass(frozen=True)
class Faults:
    """What keeps a checkpoint from loading whole. Names are those in memory."""

    missing: frozenset[str]
    unexpected: frozenset[str]
    misshapen: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    other: tuple[str, ...]
    doubled: Mapping[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, info: Mapping[str, Any], doubled: Mapping[str, list[str]] | None = None) -> Faults:
        """From transformers' loading information."""
        misshapen = {name: (tuple(found), tuple(wanted)) for name, found, wanted in info.get("mismatched_keys") or ()}
        return cls(
            missing=frozenset(info.get("missing_keys") or ()) - set(misshapen),
            unexpected=frozenset(info.get("unexpected_keys") or ()),
            misshapen=misshapen,
            other=tuple(str(message) for message in info.get("error_msgs") or ()),
            doubled=doubled or {},
        )

    def lines(self) -> Iterator[str]:
        """One line per part and fault: `vision: 2 missing (model.visual.…, …)`."""
        told = {
            "missing": {name: name for name in self.missing},
            "unexpected": {name: name for name in self.unexpected},
            "of a wrong shape": {
                n: f"{n} {list(found)} for {list(want)}" for n, (found, want) in self.misshapen.items()
            },
            "there twice": {name: " and ".join(sources) for name, sources in self.doubled.items()},
        }
        for part in PARTS:
            for fault, names in told.items():
                yield from _summary(part, fault, [text for name, text in names.items() if part_of(name) == part])
        yield from self.other

    def refuse(self, folder: Path) -> None:
        """Raise an error that lists every fault, if there is one."""
        if lines := list(self.lines()):
            raise VisCodexError(
                "the checkpoint does not fill the model\n    " + "\n    ".join(lines),
                where=str(folder),
                hint="the weights and config.json must come from the same model",
            )


def _summary(part: Part, fault: str, names: Iterable[str]) -> Iterator[str]:
    if listed := sorted(names):
        more = ", …" if len(listed) > SHOWN else ""
        yield f"{part}: {len(listed)} {fault} ({', '.join(listed[:SHOWN])}{more})"


def faults_on_meta(model: Any, shapes: Mapping[str, Iterable[int]]) -> Faults:
    """The faults that loading tensors of these names and shapes into `model` (on the meta device) would have.

    This is what `from_pretrained` does with a state dict, without accelerate, which it wants for the meta device. The
    imports are transformers' internals of 5.x; tests/model/test_load.py is the first to fail should they move.
    """
    mapping = get_model_conversion_mapping(model)
    doubled = _doubled(model, mapping, shapes)
    values = {name: torch.empty(tuple(shape), device="meta") for name, shape in shapes.items()}
    settings = LoadStateDictConfig(device_map={"": "meta"}, weight_mapping=mapping, ignore_mismatched_sizes=True)
    info, _ = convert_and_load_state_dict_in_model(model, values, settings)
    model.tie_weights(missing_keys=info.missing_keys, recompute_mapping=False)
    model._adjust_missing_and_unexpected_keys(info)
    return Faults.of(
        {
            "missing_keys": info.missing_keys,
            "unexpected_keys": info.unexpected_keys,
            "mismatched_keys": info.mismatched_keys,
            "error_msgs": [*info.error_msgs, *info.conversion_errors.values()],
        },
        doubled,
    )


def _doubled(model: Any, mapping: list[Any], names: Iterable[str]) -> dict[str, list[str]]:
    """Parameters that two tensors on disk would fill (two layouts mixed); transformers takes one of them silently."""
    renamings = [entry for entry in mapping if isinstance(entry, WeightRenaming)]
    converters = [entry for entry in mapping if isinstance(entry, WeightConverter)]
    state = model.state_dict()
    sources: dict[str, list[str]] = {}
    for name in names:
        target, joined = rename_source_key(name, renamings, converters, model.base_model_prefix, state)
        if target in state and joined is None:
            sources.setdefault(target, []).append(name)
    return {target: sorted(found) for target, found in sources.items() if len(found) > 1}
