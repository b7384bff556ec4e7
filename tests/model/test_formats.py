"""Which format a machine computes in: bfloat16 where it has the instructions, else float32 where that fits."""

from __future__ import annotations

import pytest
import torch

from viscodex.model import formats
from viscodex.model.formats import computes_bfloat16, quick_dtype
from viscodex.model.local import Local
from viscodex.model.tiny import write_trio


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"architecture": "x86_64", "avx2": True, "avx512_bw": False}, False),
        ({"architecture": "x86_64", "avx2": True, "avx512_bw": True}, True),
        ({"architecture": "x86_64", "avx_ne_convert": True}, True),
        ({"architecture": "aarch64"}, True),
        ({}, True),
    ],
)
def test_the_instructions_decide(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert computes_bfloat16("cpu") is expected
    assert computes_bfloat16("cuda:0")


def test_float32_where_it_is_quicker_and_fits(monkeypatch, tmp_path):
    vlm = write_trio(tmp_path).vlm
    monkeypatch.setattr(formats, "computes_bfloat16", lambda device: False)
    assert quick_dtype(vlm) == torch.float32
    assert Local(vlm, dtype=quick_dtype(vlm)).model.dtype == torch.float32
    monkeypatch.setattr(formats.os, "sysconf", lambda name: 1000)  # a megabyte of memory
    assert quick_dtype(vlm) == "auto"
    monkeypatch.setattr(formats, "computes_bfloat16", lambda device: True)
    assert quick_dtype(vlm) == "auto"
