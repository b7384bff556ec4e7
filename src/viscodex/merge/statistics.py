"""How far models lie apart, tensor by tensor: norms, cosines, sign conflicts, overlap of the largest changes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from viscodex.merge.block import Array, Block

Gram = np.ndarray[Any, np.dtype[np.float64]]

_MODULE = re.compile(r"^model\.layers\.(\d+)\.(?:self_attn\.|mlp\.)?(.+?)\.(weight|bias)$")
_SHORT = {
    "q_proj": "q",
    "k_proj": "k",
    "v_proj": "v",
    "o_proj": "o",
    "gate_proj": "gate",
    "up_proj": "up",
    "down_proj": "down",
}
_OTHER = {"model.embed_tokens.weight": "embedding", "model.norm.weight": "final norm", "lm_head.weight": "lm_head"}


def place_of(key: str) -> tuple[int | None, str]:
    """(layer, short module name) of a backbone key: (3, "q"), (3, "k bias"), (None, "embedding")."""
    match = _MODULE.match(key)
    if not match:
        return None, _OTHER.get(key, key)
    name = _SHORT.get(match[2], match[2].replace("_layernorm", " norm").replace("_", " "))
    return int(match[1]), f"{name} bias" if match[3] == "bias" else name


def gram_of(arrays: Sequence[Array]) -> Gram:
    """Inner products of flattened arrays, summed in float64.

    By numpy's own sums, not by BLAS, whose results depend on how many threads it uses.
    """
    flat = [np.asarray(a, dtype=np.float64).ravel() for a in arrays]
    gram = np.empty((len(flat), len(flat)))
    for i, a in enumerate(flat):
        for j, b in enumerate(flat[: i + 1]):
            gram[i, j] = gram[j, i] = float((a * b).sum())
    return gram


@dataclass
class Distances:
    """Sums over one tensor (or a sample of it) from which norms and angles follow.

    `gram` holds inner products of the models in the order of `roles`; more sums are there after a full inspection.
    """

    roles: tuple[str, ...]
    gram: Gram
    elements: int
    conflicts: int = 0
    both_nonzero: int = 0
    overlap: int = 0
    top: int = 0
    measured: bool = field(default=False)

    def __add__(self, other: Distances) -> Distances:
        numbers = ("elements", "conflicts", "both_nonzero", "overlap", "top")
        sums = {name: getattr(self, name) + getattr(other, name) for name in numbers}
        return Distances(self.roles, self.gram + other.gram, measured=self.measured, **sums)

    def norm(self, role: str) -> float:
        """‖θ‖."""
        i = self.roles.index(role)
        return math.sqrt(max(self.gram[i, i], 0.0))

    def distance(self, role: str, origin: str) -> float:
        """‖θ_role − θ_origin‖."""
        return math.sqrt(max(self._inner(role, role, origin), 0.0))

    def cosine(self, a: str, b: str, origin: str | None = None) -> float | None:
        """Cosine between θ_a and θ_b, or between their task vectors from `origin`; None when one of them is zero."""
        if origin is None:
            i, j = self.roles.index(a), self.roles.index(b)
            inner, squares = self.gram[i, j], self.gram[i, i] * self.gram[j, j]
        else:
            inner = self._inner(a, b, origin)
            squares = self._inner(a, a, origin) * self._inner(b, b, origin)
        return float(inner / math.sqrt(squares)) if squares > 0 else None

    def measures(self) -> dict[str, float | None]:
        """The table's columns. With a base: of the task vectors; without: of the difference between the models."""
        vlm, others = self.roles[0], [role for role in self.roles[1:] if role not in ("base", "merged")]
        values: dict[str, float | None] = {}
        if "base" in self.roles:
            for role in (vlm, *others):
                values[f"‖τ_{role}‖ / ‖θ‖"] = _ratio(self.distance(role, "base"), self.norm("base"))
            values |= {f"cosine of τ_{vlm}, τ_{role}": self.cosine(vlm, role, "base") for role in others}
        else:
            for role in others:
                values[f"‖θ_{role} − θ_{vlm}‖ / ‖θ_{vlm}‖"] = _ratio(self.distance(role, vlm), self.norm(vlm))
            values |= {f"cosine of θ_{vlm}, θ_{role}": self.cosine(vlm, role) for role in others}
        if self.measured:
            values["sign conflicts"] = _ratio(self.conflicts, self.both_nonzero)
            values["overlap of the largest"] = _ratio(self.overlap, self.top)
        if "merged" in self.roles:
            values[f"‖θ_merged − θ_{vlm}‖ / ‖θ_{vlm}‖"] = _ratio(self.distance("merged", vlm), self.norm(vlm))
        return values

    def _inner(self, a: str, b: str, origin: str) -> float:
        i, j, o = self.roles.index(a), self.roles.index(b), self.roles.index(origin)
        g = self.gram
        return float(g[i, j] - g[i, o] - g[o, j] + g[o, o])


def measure_block(block: Block, roles: Sequence[str], limits: Sequence[float]) -> Distances:
    """All sums of one block of two models (and their base); `limits` are the magnitudes of the largest changes."""
    a, b = block.tasks() if block.base is not None else (block.tuned[0], block.tuned[1])
    nonzero = (a != 0) & (b != 0)
    large_a, large_b = abs(a) >= limits[0], abs(b) >= limits[1]
    arrays = [*block.tuned, *([block.base] if block.base is not None else [])]
    return Distances(
        tuple(roles),
        gram_of(arrays),
        a.size,
        conflicts=int((nonzero & ((a > 0) != (b > 0))).sum()),
        both_nonzero=int(nonzero.sum()),
        overlap=int((large_a & large_b).sum()),
        top=max(int(large_a.sum()), int(large_b.sum())),
        measured=True,
    )


def by_place(table: Mapping[str, Distances]) -> dict[tuple[int | None, str], Distances]:
    """Keyed by (layer, module) in the order of the depth."""
    return {
        place_of(key): distances for key, distances in sorted(table.items(), key=lambda item: _depth_order(item[0]))
    }


def total(items: Iterable[Distances]) -> Distances:
    """Sums over several tensors."""
    first, *rest = items
    for item in rest:
        first = first + item
    return first


def _depth_order(key: str) -> tuple[int, str]:
    layer, name = place_of(key)
    if layer is None:
        return (-1 if name == "embedding" else 10**9), name
    return layer, name


def _ratio(a: float, b: float) -> float | None:
    return a / b if b > 0 else None
