"""A block: the values of all models at the same place, as a merge method sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = Any  # numpy.ndarray, or torch.Tensor with --device cuda and in the search on a loaded model


@dataclass
class Block:
    """Values in float32: `tuned` the VLM first, then the code models; `base` where the method needs it.

    `shape` is (rows, columns) of this block; `uniform(i)` gives numbers in [0, 1) for model i, the same in every run.
    `whole`: the block is a complete weight matrix.
    """

    tuned: Sequence[Array]
    base: Array | None
    shape: tuple[int, int]
    uniform: Callable[[int], Array]
    whole: bool = False

    def tasks(self) -> list[Array]:
        """τᵢ = θᵢ − θ_base (float32)."""
        if self.base is None:
            raise ValueError("this method needs a base")
        return [tuned - self.base for tuned in self.tuned]


class BlockStream(Protocol):
    """The blocks of a tensor. It may be asked several times: each call reads the tensor again."""

    def __call__(self) -> Iterable[Block]: ...

    def task_histograms(self, bins: Sequence[Sequence[int]] | None) -> list[NDArray[np.int64]]:
        """Histograms of |τᵢ| over all blocks, as `quantiles.Histograms`."""
        ...


def namespace(array: Array) -> ModuleType:
    """numpy or torch, whichever the array belongs to. Only names the two share are used of it."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch


def as_float64(array: Array) -> Array:
    """A new float64 array of the same values."""
    return array.astype(np.float64) if isinstance(array, np.ndarray) else array.double()


def as_float32(array: Array) -> Array:
    """The same values in float32."""
    return array.astype(np.float32, copy=False) if isinstance(array, np.ndarray) else array.float()


def float32_scalar(value: float, array: Array) -> Any:
    """`value` such that its product with `array` is float32, also when `array` is boolean."""
    return np.float32(value) if isinstance(array, np.ndarray) else value


def ranks(values: Array) -> Array:
    """Rank of each element within its row, 0 for the smallest; equal ones in their order."""
    if isinstance(values, np.ndarray):
        return np.argsort(np.argsort(values, axis=-1, kind="stable"), axis=-1, kind="stable")
    return values.argsort(dim=-1, stable=True).argsort(dim=-1, stable=True)
