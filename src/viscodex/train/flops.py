"""How much arithmetic a step is, and how much of the device's best that makes (MFU)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

# Dense bfloat16 operations a second, from the makers' data sheets.
PEAKS = {
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "B200": 2250e12,
    "A100": 312e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
    "MI300X": 1307e12,
}


def peak_of(device: torch.device) -> float | None:
    """Operations a second the device could do; None where that is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for part, peak in PEAKS.items() if part in name), None)


@dataclass(frozen=True)
class Cost:
    """Operations of a model: what is useful, so recomputed activations do not count.

    A matrix of P elements costs 2P a token forward and 4P backward, 2P of them for its own gradient.
    """

    layers: int  # parameters of the decoder layers
    head: int  # parameters of the output head
    vision: int  # parameters of the tower and projector
    depth: int
    width: int  # attention's width over all heads
    factor: float  # 6 with every weight trained, 4 with adapters

    @classmethod
    def of(cls, model: Any) -> Cost:
        text = model.config.get_text_config()
        body = model.model.language_model
        layers = [p for layer in body.layers for p in layer.parameters() if p.ndim == 2]
        full = any(p.requires_grad for p in layers) and all(p.requires_grad for p in layers)
        width = text.num_attention_heads * (
            getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        )
        return cls(
            layers=sum(p.numel() for p in layers),
            head=model.lm_head.weight.numel(),
            vision=sum(p.numel() for p in model.model.visual.parameters()),
            depth=len(body.layers),
            width=width,
            factor=6.0 if full else 4.0,
        )

    def step(self, tokens: int, answers: int, patches: int, squares: int) -> float:
        """Operations of a step; `squares` is the sum of squared sample lengths."""
        matrices = self.factor * self.layers * tokens + self.factor * self.head * answers
        attention = 3 * 2 * self.depth * self.width * squares  # two products, causal: half of 4, forward and backward
        return matrices + attention + 2 * self.vision * patches
