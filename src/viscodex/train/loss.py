"""Cross-entropy that never holds all logits: chunk by chunk over answer tokens, recomputed in the backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CHUNK = 1024


def row_losses(hidden: Tensor, weight: Tensor, labels: Tensor, chunk: int = CHUNK) -> Tensor:
    """−log p(label) of each row [S], float32, from hidden states [S, D] and the head's weight [V, D].

    With a vocabulary of 152,000 the logits of 8,192 rows take 5 GB in float32, and their gradient as much again; here
    `chunk` rows exist at a time.
    """
    losses: Tensor = _ChunkedCrossEntropy.apply(hidden, weight, labels, chunk)  # type: ignore[no-untyped-call]
    return losses


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor, chunk: int) -> Tensor:
        losses = torch.empty(len(labels), dtype=torch.float32, device=hidden.device)
        sums = torch.empty_like(losses)
        narrow = weight.to(hidden.dtype)  # once, not once a chunk
        for part in _slices(len(labels), chunk):
            logits = _logits(hidden[part], narrow)
            sums[part] = torch.logsumexp(logits, dim=-1)
            losses[part] = sums[part] - logits.gather(1, labels[part, None])[:, 0]
        ctx.save_for_backward(hidden, weight, labels, sums)
        ctx.chunk = chunk
        return losses

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        hidden, weight, labels, sums = ctx.saved_tensors
        wants_hidden, wants_weight, *_ = ctx.needs_input_grad
        hidden_grad = torch.empty_like(hidden) if wants_hidden else None
        narrow = weight.to(hidden.dtype)
        weight_grad = torch.zeros(weight.shape, dtype=torch.float32, device=weight.device) if wants_weight else None
        for part in _slices(len(labels), ctx.chunk):
            # d loss / d logits = softmax − one at the label
            delta = _logits(hidden[part], narrow).sub_(sums[part, None]).exp_()
            delta.scatter_add_(1, labels[part, None], torch.full_like(delta[:, :1], -1.0))
            delta *= grads[0][part, None]
            delta = delta.to(hidden.dtype)
            if hidden_grad is not None:
                hidden_grad[part] = delta @ narrow
            if weight_grad is not None:
                weight_grad += delta.T @ hidden[part]
        return hidden_grad, None if weight_grad is None else weight_grad.to(weight.dtype), None, None


def _logits(hidden: Tensor, weight: Tensor) -> Tensor:
    """In the hidden states' format, as the head computes them; then float32, as the loss wants them."""
    with torch.autocast(hidden.device.type, enabled=False):
        return (hidden @ weight.T).float()


def _slices(rows: int, chunk: int) -> list[slice]:
    return [slice(start, min(start + chunk, rows)) for start in range(0, rows, chunk)]
