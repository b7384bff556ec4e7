"""The number format that a machine computes in at speed: not every CPU has products of bfloat16."""

from __future__ import annotations

import os
from pathlib import Path

import torch

FAST = ("avx512_bw", "amx_bf16", "avx_ne_convert")
"""Any of these brings x86 bfloat16 products that take about as long as float32's. With AVX2 alone they take a hundred
times as long (measured: docs/lab-notes.md)."""


def computes_bfloat16(device: str = "") -> bool:
    """Whether bfloat16 is worth computing in: on a GPU, and on a CPU that has the instructions."""
    if device.startswith("cuda") or (not device and torch.cuda.is_available()):
        return True
    capabilities = torch.cpu.get_capabilities()
    return capabilities.get("architecture") != "x86_64" or any(capabilities.get(name) for name in FAST)


def quick_dtype(folder: Path | str, device: str = "") -> torch.dtype | str:
    """The checkpoint's own format ("auto"); float32 where that is quicker, and half of the memory holds it."""
    if computes_bfloat16(device):
        return "auto"
    weights = sum(path.stat().st_size for path in Path(folder).glob("*.safetensors"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return torch.float32 if 2 * weights <= memory // 2 else "auto"
