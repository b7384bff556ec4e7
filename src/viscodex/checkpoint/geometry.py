"""What a config.json says about the language backbone: the numbers that must agree before weights can be added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from viscodex.checkpoint.layout import FAMILIES, TEXT_ALIASES, Family
from viscodex.core.problems import Problem

_TIED_BY_DEFAULT = ("gemma", "gemma2", "gemma3_text")

# Per text architecture: what each decoder layer holds beside the seven projections and two norms all of them have.
_LAYER_EXTRAS: dict[str, tuple[str, ...]] = {
    "qwen2": tuple(f"self_attn.{p}_proj.bias" for p in "qkv"),
    "qwen3": ("self_attn.q_norm.weight", "self_attn.k_norm.weight"),
    "gemma2": ("pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight"),
    "gemma3_text": (
        "self_attn.q_norm.weight",
        "self_attn.k_norm.weight",
        "pre_feedforward_layernorm.weight",
        "post_feedforward_layernorm.weight",
    ),
}
_LAYER_COMMON = (
    *(f"self_attn.{p}_proj.weight" for p in "qkvo"),
    *(f"mlp.{p}_proj.weight" for p in ("gate", "up", "down")),
    "input_layernorm.weight",
    "post_attention_layernorm.weight",
)


@dataclass(frozen=True)
class Geometry:
    """The backbone's shape. `None` where the config does not say."""

    architecture: str
    hidden_size: int | None
    layers: int | None
    heads: int | None
    kv_heads: int | None
    head_dim: int | None
    activation: str | None
    rope_theta: float | None
    tied_embeddings: bool

    def required_keys(self) -> set[str]:
        """The backbone tensors a complete checkpoint holds (lm_head only when it is not tied)."""
        layer = (*_LAYER_COMMON, *_LAYER_EXTRAS.get(self.architecture, ()))
        keys = {f"model.layers.{i}.{name}" for i in range(self.layers or 0) for name in layer}
        keys |= {"model.embed_tokens.weight", "model.norm.weight"}
        return keys if self.tied_embeddings else keys | {"lm_head.weight"}


def read_geometry(config: Mapping[str, Any], family: Family) -> Geometry:
    """Read the backbone's numbers from a flat config (old) or from its text_config (new)."""
    nested = config.get("text_config")
    text: dict[str, Any] = {**config, **nested} if isinstance(nested, dict) else dict(config)
    kind = text.get("model_type") if isinstance(nested, dict) else config.get("model_type")
    architecture = _architecture(str(kind or ""), family)
    hidden, heads = text.get("hidden_size"), text.get("num_attention_heads")
    return Geometry(
        architecture=architecture,
        hidden_size=hidden,
        layers=text.get("num_hidden_layers"),
        heads=heads,
        kv_heads=text.get("num_key_value_heads", heads),
        head_dim=text.get("head_dim") or (hidden // heads if hidden and heads else None),
        activation=text.get("hidden_activation") or text.get("hidden_act"),
        rope_theta=_rope_theta(text),
        tied_embeddings=_tied(config, nested if isinstance(nested, dict) else {}, architecture),
    )


def compare(vlm: Geometry, other: Geometry, role: str) -> list[Problem]:
    """Every number in which two backbones differ, as problems."""
    differing = [f.name for f in fields(Geometry) if not _agree(getattr(vlm, f.name), getattr(other, f.name))]
    return [
        Problem(
            f"{name.replace('_', ' ')} differs",
            f"vlm {getattr(vlm, name)}, {role} {getattr(other, name)}",
            "merging needs the same backbone: choose models tuned from the same base",
        )
        for name in differing
    ]


def _agree(a: object, b: object) -> bool:
    return a is None or b is None or a == b


def _architecture(kind: str, family: Family) -> str:
    name = TEXT_ALIASES.get(kind, kind)
    is_text = name in FAMILIES and not FAMILIES[name].is_multimodal
    return name if is_text else family.text


def _rope_theta(text: Mapping[str, Any]) -> float | None:
    if "rope_theta" in text:
        return float(text["rope_theta"])
    parameters = text.get("rope_parameters")
    if isinstance(parameters, dict):
        inner = parameters.get("full_attention", parameters)
        if isinstance(inner, dict) and "rope_theta" in inner:
            return float(inner["rope_theta"])
    return None


def _tied(config: Mapping[str, Any], text: Mapping[str, Any], architecture: str) -> bool:
    for level in (config, text):
        if level.get("tie_word_embeddings") is not None:
            return bool(level["tie_word_embeddings"])
    return architecture in _TIED_BY_DEFAULT
