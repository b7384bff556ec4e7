"""The one place that knows tensor names: any on-disk name → (part, key).

The same weights are found on disk under different names: hub files say `model.layers.*` and `visual.*`, newer savers
`model.language_model.*` and `model.visual.*`, older wrappers `language_model.model.*`. `key` is the name a plain
causal language model uses (`model.layers.0.mlp.up_proj.weight`, `lm_head.weight`); for vision and projector it is the
name without wrappers (`visual.blocks.0.…`). A file that mixes the styles is read name by name.

To add a model type, add a row to FAMILIES, and a tiny variant to `viscodex.model.tiny` for its tests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from viscodex.core.errors import did_you_mean, visible
from viscodex.core.problems import Problem

Part = Literal["backbone", "vision", "projector"]
PARTS: tuple[Part, ...] = ("backbone", "vision", "projector")

EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"


@dataclass(frozen=True)
class Family:
    """How a model type names its parts. `text` is the architecture of its backbone, if the config does not say."""

    text: str
    vision: tuple[str, ...] = ()
    projector: tuple[str, ...] = ()

    @property
    def is_multimodal(self) -> bool:
        return bool(self.vision)

    def locate(self, name: str) -> tuple[Part, str] | None:
        """Where an on-disk name belongs; None for a name of no part."""
        bare = name.removeprefix("model.").replace(*_TOWER, 1)
        if bare.startswith(self.projector):
            return "projector", bare
        if bare.startswith(self.vision):
            return "vision", bare
        key = _backbone_key(name)
        return ("backbone", key) if key else None


_TOWER = ("vision_tower.vision_model.", "vision_tower.")  # the hub's files have one level more

_LLAVA = {"vision": ("vision_tower.",), "projector": ("multi_modal_projector.", "image_newline")}
_IDEFICS = {"vision": ("vision_model.",), "projector": ("connector.",)}
_QWEN_VL = {"vision": ("visual.",), "projector": ("visual.merger.",)}

FAMILIES: dict[str, Family] = {
    "qwen2_vl": Family("qwen2", **_QWEN_VL),
    "qwen2_5_vl": Family("qwen2", **_QWEN_VL),
    "qwen3_vl": Family("qwen3", vision=("visual.",), projector=("visual.merger.", "visual.deepstack_merger_list.")),
    "llava_onevision": Family("qwen2", **_LLAVA),
    "internvl": Family("qwen2", **_LLAVA),
    "idefics3": Family("llama", **_IDEFICS),
    "smolvlm": Family("llama", **_IDEFICS),
    "gemma3": Family("gemma3_text", **_LLAVA),
    "mistral3": Family("mistral", **_LLAVA),
    **{name: Family(name) for name in ("qwen2", "qwen3", "llama", "mistral", "gemma", "gemma2", "gemma3_text")},
}

# A text_config may call the same architecture by the name of its VLM.
TEXT_ALIASES = {
    "qwen2_vl_text": "qwen2",
    "qwen2_5_vl_text": "qwen2",
    "qwen3_vl_text": "qwen3",
    "ministral3": "mistral",
}

_ALL_PROJECTORS = tuple(dict.fromkeys(prefix for family in FAMILIES.values() for prefix in family.projector))
_ALL_VISION = tuple(dict.fromkeys(prefix for family in FAMILIES.values() for prefix in family.vision))

# Longest first. Each wrapper is replaced by the prefix a plain causal language model uses.
_BACKBONE_WRAPPERS: tuple[tuple[str, str], ...] = (
    ("model.language_model.lm_head.", "lm_head."),
    ("model.language_model.model.", "model."),
    ("language_model.lm_head.", "lm_head."),
    ("language_model.model.", "model."),
    ("model.language_model.", "model."),
    ("model.text_model.", "model."),
    ("language_model.", "model."),
    ("lm_head.", "lm_head."),
    ("model.", "model."),
)

_BACKBONE = re.compile(r"model\.(?:embed_tokens|norm|layers\.(?P<layer>0|[1-9][0-9]{0,5}))\..+|lm_head\..+", re.DOTALL)

# Computed at load, never trained; old savers wrote them all the same.
BUFFERS = ("rotary_emb.inv_freq", "rotary_pos_emb.inv_freq", "self_attn.masked_bias", "embeddings.position_ids")


def part_of(name: str) -> Part:
    """The part of a parameter of any known family, by its name; what is neither projector nor vision is backbone."""
    bare = name.removeprefix("model.")
    if bare.startswith(_ALL_PROJECTORS):
        return "projector"
    return "vision" if bare.startswith(_ALL_VISION) else "backbone"


def is_buffer(name: str) -> bool:
    """Whether a name is a computed buffer that some savers write and no loader needs."""
    return name.endswith(BUFFERS)


def family_of(config: Mapping[str, Any], where: str, problems: list[Problem]) -> Family | None:
    """The family of a config.json; an unknown model type becomes a problem that says how to add it."""
    model_type = config.get("model_type")
    if isinstance(model_type, str) and model_type in FAMILIES:
        return FAMILIES[model_type]
    named = visible(repr(model_type), 60)
    problems.append(
        Problem(
            "unknown model type",
            f"{where}: {named}, {did_you_mean(str(model_type)[:60], FAMILIES)}",
            "to add one, see docs/merge.md, “new families”",
        )
    )
    return None


def _backbone_key(name: str) -> str | None:
    for wrapper, plain in _BACKBONE_WRAPPERS:
        if name.startswith(wrapper):
            key = plain + name[len(wrapper) :]
            return key if _BACKBONE.fullmatch(key) else None
    return None


def layer_of(key: str) -> int | None:
    """The decoder layer of a backbone key; None for the embedding, the final norm and the head."""
    match = _BACKBONE.fullmatch(key)
    return int(match["layer"]) if match and match["layer"] else None
