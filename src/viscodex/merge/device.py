"""Where the arithmetic happens: numpy on the CPU, torch on a GPU. Both give the same bits for weighted sums."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from viscodex.checkpoint import dtypes
from viscodex.checkpoint.dtypes import DType, Words
from viscodex.core.errors import UsageError
from viscodex.merge.block import Array


class Device(Protocol):
    """Turns words of a file into arrays the methods work on, and back."""

    block_elements: int

    def decode(self, words: Words, dtype: DType) -> Array: ...

    def encode(self, values: Array, dtype: DType, out: Words) -> None: ...

    def from_numpy(self, values: np.ndarray[Any, Any]) -> Array: ...


class Cpu:
    """numpy, in blocks small enough for the second-level cache: 4 bytes in, 8 bytes of float64 at work."""

    block_elements = 1 << 16

    def decode(self, words: Words, dtype: DType) -> Array:
        return dtypes.decode(words, dtype)

    def encode(self, values: Array, dtype: DType, out: Words) -> None:
        dtypes.encode(values, dtype, out)

    def from_numpy(self, values: np.ndarray[Any, Any]) -> Array:
        return values


class Torch:
    """torch on any of its devices; blocks as large as a chunk, since there the transfer is what costs."""

    block_elements = 1 << 24

    def __init__(self, device: str) -> None:
        import torch

        self.torch, self.device = torch, torch.device(device)
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise UsageError("no CUDA device here", where=f"--device {device}", hint="--device cpu")
        torch.zeros(1, device=self.device).cpu()  # a device of another build, or with a number too high, fails here

    def decode(self, words: Words, dtype: DType) -> Array:
        raw = self.from_numpy(words.view(np.int16) if dtype.name == "BF16" else words)
        values = raw.view(self.torch.bfloat16) if dtype.name == "BF16" else raw
        return values if dtype.name == "F64" else values.float()

    def encode(self, values: Array, dtype: DType, out: Words) -> None:
        target = getattr(self.torch, dtype.torch_name)
        rounded = values if dtype.name == "F64" else values.float().to(target)
        raw = rounded.view(self.torch.int16) if dtype.name == "BF16" else rounded
        out[...] = raw.cpu().numpy().view(out.dtype)

    def from_numpy(self, values: np.ndarray[Any, Any]) -> Array:
        return self.torch.from_numpy(np.ascontiguousarray(values)).to(self.device)


def open_device(name: str) -> Device:
    """`cpu`, or any device torch knows (`cuda`, `cuda:1`; `torch:cpu` is torch's arithmetic on the CPU, for tests)."""
    if name == "cpu":
        return Cpu()
    try:
        return Torch(name.removeprefix("torch:"))
    except (RuntimeError, AssertionError, ImportError) as error:  # torch says it at length; its first line is enough
        first = str(error).partition("\n")[0]
        raise UsageError(f"no such device: {first}", where=f"--device {name}", hint="cpu or cuda") from error
