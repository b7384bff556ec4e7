"""Shapes of released models, for benchmarks: tensor names, sizes and configs of Qwen2.5 and Qwen2.5-VL."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

Named = list[tuple[str, tuple[int, ...]]]  # tensors: on-disk name and dimensions

BF16_BYTES = 2
BASE_TOKENS = 151_643
SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|vision_pad|>", "<|image_pad|>", "<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>"),
    *("<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"),
)


@dataclass(frozen=True)
class Shape:
    """A text model, and with `depth` the vision tower on top. `roles` are the checkpoints that a merge needs."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    rows: int
    tied: bool = True
    depth: int = 0
    vision_hidden: int = 1280
    vision_intermediate: int = 3420
    tokens: int = BASE_TOKENS
    roles: tuple[str, ...] = ("vlm", "code", "base")
    shard_bytes: int = 500_000_000

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads

    def nbytes(self, *roles: str) -> int:
        """Bytes of the tensors of some roles, or of all."""
        dims = (dims for role in roles or self.roles for _, dims in tensors(self, role))
        return BF16_BYTES * sum(map(math.prod, dims))


SHAPES = {
    "quick": Shape(256, 4, 4, 2, 1024, 8192, tokens=8000, shard_bytes=4_000_000),
    "quick-vl": Shape(
        *(256, 4, 4, 2, 1024, 8192, False, 4),
        vision_hidden=128,
        vision_intermediate=344,
        tokens=8000,
        roles=("vlm", "code"),
        shard_bytes=4_000_000,
    ),
    "0.5b": Shape(896, 24, 14, 2, 4864, 151_936),
    "1.5b": Shape(1536, 28, 12, 2, 8960, 151_936),
    "3b": Shape(2048, 36, 16, 2, 11008, 151_936, roles=("vlm", "code")),
    "8b": Shape(3584, 28, 28, 4, 18944, 152_064, False, 32, roles=("vlm", "code"), shard_bytes=4_000_000_000),
}


def tensors(shape: Shape, role: str) -> Named:
    """Every tensor in the order of the files: embedding, layers, norm, head, and the VLM's tower first."""
    tower = _vision(shape) if role == "vlm" and shape.depth else []
    return [*tower, *_text(shape)]


def _text(shape: Shape) -> Named:
    hidden, keys, inner = shape.hidden, shape.kv_heads * shape.head_dim, shape.intermediate
    layer: Named = [
        ("input_layernorm.weight", (hidden,)),
        *((f"self_attn.{p}_proj.weight", (rows, hidden)) for p, rows in (("q", hidden), ("k", keys), ("v", keys))),
        *((f"self_attn.{p}_proj.bias", (rows,)) for p, rows in (("q", hidden), ("k", keys), ("v", keys))),
        ("self_attn.o_proj.weight", (hidden, hidden)),
        ("post_attention_layernorm.weight", (hidden,)),
        ("mlp.gate_proj.weight", (inner, hidden)),
        ("mlp.up_proj.weight", (inner, hidden)),
        ("mlp.down_proj.weight", (hidden, inner)),
    ]
    head = [] if shape.tied else [("lm_head.weight", (shape.rows, hidden))]
    return [
        ("model.embed_tokens.weight", (shape.rows, hidden)),
        *((f"model.layers.{i}.{name}", dims) for i in range(shape.layers) for name, dims in layer),
        ("model.norm.weight", (hidden,)),
        *head,
    ]


def _vision(shape: Shape) -> Named:
    hidden, inner, merged = shape.vision_hidden, shape.vision_intermediate, 4 * shape.vision_hidden
    linears = {
        "attn.qkv": (3 * hidden, hidden),
        "attn.proj": (hidden, hidden),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    block: Named = [("norm1.weight", (hidden,)), ("norm2.weight", (hidden,))]
    for name, dims in linears.items():
        block += [(f"{name}.weight", dims), (f"{name}.bias", dims[:1])]
    return [
        ("visual.patch_embed.proj.weight", (hidden, 3, 2, 14, 14)),
        *((f"visual.blocks.{i}.{name}", dims) for i in range(shape.depth) for name, dims in block),
        ("visual.merger.ln_q.weight", (hidden,)),
        ("visual.merger.mlp.0.weight", (merged, merged)),
        ("visual.merger.mlp.0.bias", (merged,)),
        ("visual.merger.mlp.2.weight", (shape.hidden, merged)),
        ("visual.merger.mlp.2.bias", (shape.hidden,)),
    ]


def config(shape: Shape, role: str) -> dict[str, Any]:
    """config.json as the released models have it."""
    values: dict[str, Any] = {
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": shape.tokens,
        "eos_token_id": shape.tokens + 2,
        "hidden_act": "silu",
        "hidden_size": shape.hidden,
        "initializer_range": 0.02,
        "intermediate_size": shape.intermediate,
        "max_position_embeddings": 32768,
        "max_window_layers": shape.layers,
        "model_type": "qwen2",
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.kv_heads,
        "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0,
        "sliding_window": 32768,
        "tie_word_embeddings": shape.tied,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": shape.rows,
    }
    return values | _vision_config(shape) if role == "vlm" and shape.depth else values


def _vision_config(shape: Shape) -> dict[str, Any]:
    ids = {f"{name}_token_id": shape.tokens + SPECIAL.index(token) for name, token in _VISION_TOKENS.items()}
    tower = {
        "depth": shape.depth,
        "hidden_act": "silu",
        "hidden_size": shape.vision_hidden,
        "intermediate_size": shape.vision_intermediate,
        "num_heads": 16,
        "in_chans": 3,
        "out_hidden_size": shape.hidden,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "spatial_patch_size": 14,
        "window_size": 112,
        "fullatt_block_indexes": [i for i in range(shape.depth) if i % 8 == 7],
        "tokens_per_second": 2,
        "temporal_patch_size": 2,
    }
    return ids | {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        "model_type": "qwen2_5_vl",
        "max_position_embeddings": 128000,
        "vision_config": tower,
        "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
    }


_VISION_TOKENS = {
    "vision_start": "<|vision_start|>",
    "vision_end": "<|vision_end|>",
    "vision": "<|vision_pad|>",
    "image": "<|image_pad|>",
    "video": "<|video_pad|>",
}
