"""What a config.json says about the language backbone: the numbers that must agree before weights can be added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from viscodex.checkpoint.layout import FAMILIES, TEXT_ALIASES, Family
from viscodex.core.errors import visible
from viscodex.core.problems import Problem

# What transformers takes where a config is silent. Other architectures have numbers of their own there, unknown here.
_TIED_BY_DEFAULT = ("gemma", "gemma2", "gemma3_text")
_HEAD_DIM_FROM_HIDDEN = ("qwen2", "llama", "mistral")
_KV_HEADS_FROM_HEADS = ("llama",)

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
    vocab_size: int | None = None

    def required_keys(self) -> set[str]:
        """The backbone tensors a complete checkpoint holds (lm_head only when it is not tied)."""
        layer = (*_LAYER_COMMON, *_LAYER_EXTRAS.get(self.architecture, ()))
        keys = {f"model.layers.{i}.{name}" for i in range(self.layers or 0) for name in layer}
        keys |= {"model.embed_tokens.weight", "model.norm.weight"}
        return keys if self.tied_embeddings else keys | {"lm_head.weight"}

    def sizes_on_disk(self) -> list[tuple[str, int | None, str, int]]:
        """(what, how much, in which tensor, along which axis): what the config says and one layer shows."""
        width, attention = self.head_dim or 0, "model.layers.0.self_attn."
        return [
            ("hidden size", self.hidden_size, "model.embed_tokens.weight", 1),
            ("heads × head_dim", (self.heads or 0) * width or None, f"{attention}q_proj.weight", 0),
            ("kv heads × head_dim", (self.kv_heads or 0) * width or None, f"{attention}k_proj.weight", 0),
        ]


def read_geometry(config: Mapping[str, Any], family: Family, role: str, problems: list[Problem]) -> Geometry:
    """Read the backbone's numbers from a flat config (old) or from its text_config (new).

    What is no sensible number is added to `problems` and read as if the config did not say.
    """
    nested = config.get("text_config")
    if nested is not None and not isinstance(nested, dict):
        problems.append(Problem("text_config in config.json is not an object", role))
    text: dict[str, Any] = {**config, **nested} if isinstance(nested, dict) else dict(config)
    kind = text.get("model_type") if isinstance(nested, dict) else config.get("model_type")
    architecture = _architecture(str(kind or ""), family)
    values = _Values(text, role, problems)
    hidden, heads = values.size("hidden_size"), values.size("num_attention_heads")
    kv_heads, head_dim = values.size("num_key_value_heads"), values.size("head_dim")
    if head_dim is None and hidden and heads and architecture in _HEAD_DIM_FROM_HIDDEN:
        head_dim = hidden // heads
    return Geometry(
        architecture=architecture,
        hidden_size=hidden,
        layers=values.size("num_hidden_layers"),
        heads=heads,
        kv_heads=heads if kv_heads is None and architecture in _KV_HEADS_FROM_HEADS else kv_heads,
        head_dim=head_dim,
        activation=text.get("hidden_activation") or text.get("hidden_act"),
        rope_theta=values.number("rope_theta", _rope_theta(text)),
        tied_embeddings=_tied(config, text, architecture, values),
        vocab_size=values.size("vocab_size"),
    )


@dataclass(frozen=True)
class _Values:
    """The entries of a config, each checked when it is asked for."""

    text: Mapping[str, Any]
    role: str
    problems: list[Problem]

    def size(self, name: str) -> int | None:
        value = self.text.get(name)
        if value is None or (type(value) is int and value > 0):
            return value
        self._refuse("a size in config.json is not a whole number ≥ 1", name, value)
        return None

    def number(self, name: str, value: Any) -> float | None:
        if value is None or (type(value) in (int, float) and 0 < value < 1e300):
            return value if value is None else float(value)
        self._refuse("an entry of config.json is not a number > 0", name, value)
        return None

    def flag(self, name: str, value: Any) -> bool | None:
        if value is None or isinstance(value, bool):
            return value
        self._refuse("an entry of config.json is neither true nor false", name, value)
        return None

    def _refuse(self, what: str, name: str, value: Any) -> None:
        self.problems.append(Problem(what, visible(f"{self.role}: {name} = {value!r}")))


def compare(vlm: Geometry, other: Geometry, role: str, own: str = "vlm") -> list[Problem]:
    """Every number in which two backbones differ, as problems; rows of the embedding may differ, they are matched."""
    names = [field.name for field in fields(Geometry) if field.name != "vocab_size"]
    differing = [name for name in names if not _agree(getattr(vlm, name), getattr(other, name))]
    return [
        Problem(
            f"{name.replace('_', ' ')} differs",
            f"{own} {getattr(vlm, name)}, {role} {getattr(other, name)}",
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


def _rope_theta(text: Mapping[str, Any]) -> Any:
    if text.get("rope_theta") is not None:
        return text["rope_theta"]
    parameters = text.get("rope_parameters")
    inner = parameters.get("full_attention", parameters) if isinstance(parameters, dict) else None
    return inner.get("rope_theta") if isinstance(inner, dict) else None


def _tied(config: Mapping[str, Any], text: Mapping[str, Any], architecture: str, values: _Values) -> bool:
    """The outermost word counts; `text` holds the inner one where the outer config is silent."""
    name = "tie_word_embeddings"
    outer = config.get(name)
    flag = values.flag(name, outer if outer is not None else text.get(name))
    return architecture in _TIED_BY_DEFAULT if flag is None else flag
