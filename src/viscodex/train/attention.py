"""Attention over packed sequences: every sample sees itself alone, and no mask of length² exists.

Registered with transformers under a name that contains "flash", which makes the vision tower hand over the lengths of
its windows as well, instead of calling attention once a window (a 1,280-token picture has 80 in each of 28 layers).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from viscodex.core.errors import UsageError
from viscodex.train.recipe import Attention

SEGMENTS = "viscodex_flash_segments"
VARLEN = "viscodex_flash_varlen"
SHORT = 512  # tokens of a segment whose scores may exist all at once


def use_attention(model: Any, choice: Attention, device: torch.device) -> str:
    """Set how `model` attends, in the backbone and the vision tower; returns the name."""
    if "sliding_attention" in getattr(model.model.language_model.config, "layer_types", ()):
        raise UsageError("training does not know sliding-window attention", hint='"use_sliding_window": false')
    name = {"segments": SEGMENTS, "varlen": VARLEN}.get(choice, choice)
    if choice == "auto":
        name = VARLEN if device.type == "cuda" and _varlen_settings() else SEGMENTS
    if name == VARLEN and device.type != "cuda":
        raise UsageError("varlen attention needs a GPU", hint='attention = "segments"')
    if name == VARLEN and not _varlen_settings():
        raise UsageError("varlen attention needs torch 2.10 or newer", hint='attention = "segments"')
    set_attention(model, name)
    return name


def set_attention(model: Any, name: str) -> None:
    """Name the attention of backbone and tower; they keep configurations of their own."""
    for part in (model.model.language_model, model.model.visual):
        part.config._attn_implementation = name


def attention_of(model: Any) -> str:
    """The name that is set."""
    return str(model.model.language_model.config._attn_implementation)


def _segments(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    cu_seq_lens_q: Tensor,
    scaling: float | None = None,
    dropout: float = 0.0,
    is_causal: bool | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """(1, heads, L, width) → (1, L, heads, width), one call per run of segments of the same length."""
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    groups = query.shape[1] // key.shape[1]
    pieces = []
    for start, count, length in runs(cu_seq_lens_q.tolist()):
        q, k, v = (_cut(tensor, start, count, length) for tensor in (query, key, value))
        if groups > 1:
            k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        attended = _attend(q, k, v, scaling, dropout, causal=causal)
        pieces.append(attended.transpose(1, 2).reshape(1, count * length, query.shape[1], query.shape[3]))
    return torch.cat(pieces, dim=1), None


def _attend(query: Tensor, key: Tensor, value: Tensor, scale: float | None, dropout: float, *, causal: bool) -> Tensor:
    """One attention; short segments in bfloat16 on a CPU go by matrix products, 2 to 4 times as fast as its kernel."""
    length = query.shape[2]
    if dropout or query.device.type != "cpu" or query.dtype != torch.bfloat16 or length > SHORT:
        return scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=scale, is_causal=causal)
    scores = (query * (scale or query.shape[3] ** -0.5)) @ key.transpose(-1, -2)
    if causal:
        scores = scores + torch.full((length, length), -torch.inf, dtype=scores.dtype).triu(1)
    return scores.softmax(-1, dtype=scores.dtype) @ value


def _varlen(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    cu_seq_lens_q: Tensor,
    max_length_q: int,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """The same by torch's own FlashAttention over segments, in one call; bfloat16 or float16 on a GPU."""
    from torch.nn.attention.varlen import varlen_attn

    known = _varlen_settings()
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    q, k, v = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
    if q.dtype == torch.float32:  # rotary positions of the tower are computed in float32
        q, k = q.to(v.dtype), k.to(v.dtype)
    settings: dict[str, Any] = {"window_size": (-1, 0 if causal else -1)} if "window_size" in known else {}
    if "window_size" not in known:
        settings["is_causal"] = causal
    if "scale" in known:
        settings["scale"] = scaling
    elif scaling is not None:
        q = q * (scaling * q.shape[2] ** 0.5)
    if (groups := q.shape[1] // k.shape[1]) > 1:
        if "enable_gqa" in known:
            settings["enable_gqa"] = True
        else:
            k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    lengths = cu_seq_lens_q.to(torch.int32)
    out = varlen_attn(q, k, v, lengths, lengths, max_length_q, max_length_q, **settings)
    return cast(Tensor, out)[None], None


@cache
def _varlen_settings() -> frozenset[str]:
    """What torch's attention by lengths can be told: new in 2.10, it has learned more with every release.

    Empty where it does not exist.
    """
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return frozenset()
    return frozenset(inspect.signature(varlen_attn).parameters)


def runs(ends: list[int]) -> Iterator[tuple[int, int, int]]:
    """(start, count, length) of neighbours of the same length, from cumulative ends [0, …, L]."""
    start, count, length = 0, 0, -1
    for begin, end in pairwise(ends):
        if end == begin:
            continue
        if end - begin == length:
            count += 1
            continue
        if count:
            yield start, count, length
        start, count, length = begin, 1, end - begin
    if count:
        yield start, count, length


def _cut(tensor: Tensor, start: int, count: int, length: int) -> Tensor:
    """Segments as a batch: (1, heads, L, width) → (count, heads, length, width)."""
    _, heads, _, width = tensor.shape
    piece = tensor[0, :, start : start + count * length]
    return piece.reshape(heads, count, length, width).transpose(0, 1)


AttentionInterface.register(SEGMENTS, _segments)
AttentionInterface.register(VARLEN, _varlen)
