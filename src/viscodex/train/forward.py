"""From a batch to the loss of each answer token: vision once and without gradients, backbone packed, loss in chunks."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint
from transformers import GenerationConfig

from viscodex.core.errors import UsageError
from viscodex.train.attention import attention_of, set_attention
from viscodex.train.batch import Batch
from viscodex.train.loss import row_losses

SUPPORTED = ("qwen2_vl", "qwen2_5_vl")


class Objective(nn.Module):
    """A Qwen-VL model and its training loss. All parameters are used inside `forward`, so that FSDP can gather them."""

    def __init__(self, model: Any, *, loss_chunk: int, checkpointing: bool) -> None:
        super().__init__()
        if model.config.model_type not in SUPPORTED:
            raise UsageError(f"training does not know how {model.config.model_type} packs", hint=" or ".join(SUPPORTED))
        self.model = model
        self.loss_chunk = loss_chunk
        self.trains_vision = any(p.requires_grad for p in model.model.visual.parameters())
        model.model.visual.patch_embed.forward = partial(_patches, model.model.visual.patch_embed.proj)
        if checkpointing:
            checkpoint_layers(model.model.language_model)

    def forward(self, batch: Batch) -> Tensor:
        """The loss of each supervised token [S], float32."""
        body = self.model.model
        embedded = body.get_input_embeddings()(batch.input_ids)
        if batch.pixels is not None:
            embedded = self._place_pictures(embedded, batch)
        if self.trains_vision and torch.is_grad_enabled() and not embedded.requires_grad:
            # Text alone, and a frozen backbone: nothing to learn from. But ranks whose pictures have something gather
            # every layer for their backward pass, and this one has to be there.
            embedded.requires_grad_()
        hidden = body.language_model(
            inputs_embeds=embedded.to(compute_dtype(embedded)),
            position_ids=batch.positions,
            attention_mask=None,
            use_cache=False,
            cu_seq_lens_q=batch.ends,
            cu_seq_lens_k=batch.ends,
            max_length_q=batch.longest,
            max_length_k=batch.longest,
        ).last_hidden_state
        learned = hidden[0, batch.rows].to(compute_dtype(hidden))
        return row_losses(learned, self.model.lm_head.weight, batch.labels, self.loss_chunk)

    @torch.no_grad()
    def generate(self, inputs: Any, new_tokens: int, end: int) -> Tensor:
        """Greedy new tokens [1, N]. A cache wants ordinary attention."""
        packed = attention_of(self.model)
        set_attention(self.model, "sdpa")
        try:
            length = inputs["input_ids"].shape[1]
            settings = GenerationConfig(max_new_tokens=new_tokens, do_sample=False, eos_token_id=end, pad_token_id=end)
            output: Tensor = self.model.generate(**inputs, generation_config=settings)
            return output[:, length:]
        finally:
            set_attention(self.model, packed)

    def _place_pictures(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Put the pictures' features where the image tokens are."""
        features = self.features_of(batch) if batch.features is None else batch.features
        places = (batch.input_ids[0] == self.model.config.image_token_id).nonzero()[:, 0]
        return embedded.index_copy(1, places, features.to(embedded.dtype)[None])

    def features_of(self, batch: Batch) -> Tensor:
        """What the vision modules make of a batch's pictures [image tokens, D]."""
        with torch.set_grad_enabled(self.trains_vision and torch.is_grad_enabled()):
            return torch.cat(list(self.model.get_image_features(batch.pixels, batch.grids).pooler_output))


def _patches(convolution: nn.Conv3d, rows: Tensor) -> Tensor:
    """Patches [P, values] to features: a convolution that steps as wide as its kernel is a product of matrices.

    On a CPU that is four times as fast, backward and forward.
    """
    return linear(rows.to(convolution.weight.dtype), convolution.weight.flatten(1))


def compute_dtype(tensor: Tensor) -> torch.dtype:
    """The autocast format where it is on (embeddings and norms leave float32 behind), else the tensor's own."""
    device = tensor.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensor.dtype


def checkpoint_layers(language_model: Any) -> None:
    """Keep only each decoder layer's input, and compute the rest again in the backward pass.

    `gradient_checkpointing_enable()` on the whole model would do it to the vision tower too, and make its output need a
    gradient. Here `forward` itself is wrapped, so that FSDP's hooks stay outside.
    """
    for layer in language_model.layers:
        layer.forward = partial(_recomputed, layer.forward)


def _recomputed(forward: Any, *inputs: Any, **named: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*inputs, **named)
    return checkpoint(forward, *inputs, use_reentrant=False, **named)
