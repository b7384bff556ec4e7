"""The families the tiny checkpoints come in: configurations, on-disk names and processor files, as small as they go.

A name table lists (prefix in memory, prefix in the files on the hub); what is not listed has the same name in both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from viscodex.model.tiny_tokenizer import CHAT_TOKENS, PAD, STOP

HEAD_DIM = 16
PATCH = 14
PICTURE = 56  # pixels a side, for the towers that take one size: 4 × 4 patches
VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


@dataclass(frozen=True)
class Size:
    """What a test may choose. Heads are 16 wide; half as many key-value heads as heads (GQA)."""

    layers: int
    hidden: int
    vocab_size: int
    tied: bool

    def text(self, **more: Any) -> dict[str, Any]:
        """Settings that every backbone here understands."""
        heads = self.hidden // HEAD_DIM
        return {
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden,
            "intermediate_size": 2 * self.hidden,
            "num_hidden_layers": self.layers,
            "num_attention_heads": heads,
            "num_key_value_heads": max(1, heads // 2),
            "max_position_embeddings": 32768,
            "rms_norm_eps": 1e-6,
            "bos_token_id": PAD,
            "eos_token_id": STOP,
            "pad_token_id": PAD,
            "tie_word_embeddings": self.tied,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
        } | more


Config = Callable[[Size, dict[str, int]], dict[str, Any]]


@dataclass(frozen=True)
class Family:
    """How one family's trio is made. `vlm` and `code` give configuration values from sizes and token ids."""

    code_type: str
    vlm: Config
    code: Callable[[Size], dict[str, Any]]
    processor: dict[str, Any]
    preprocessor: dict[str, Any]
    special: tuple[str, ...]
    picture: str
    named: dict[str, str] = field(default_factory=dict)
    hub_names: tuple[tuple[str, str], ...] = ()
    backbone: str = "model.language_model."
    flat_config: bool = False
    tokenizer_class: str = "PreTrainedTokenizerFast"


def _mrope(**more: Any) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": 1_000_000.0, "mrope_section": [2, 3, 3]} | more


def _qwen_ids(ids: dict[str, int]) -> dict[str, int]:
    return {
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
    }


def _qwen2_text(size: Size, **more: Any) -> dict[str, Any]:
    return {k: v for k, v in size.text(**more).items() if k != "tie_word_embeddings"} | {"rope_parameters": _mrope()}


def _qwen_tower(size: Size) -> dict[str, Any]:
    return {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": size.hidden}


def _qwen2_vl(size: Size, ids: dict[str, int]) -> dict[str, Any]:
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": size.hidden, "num_heads": 2}
    return _qwen_ids(ids) | {"text_config": _qwen2_text(size), "vision_config": vision}


def _qwen2_5_vl(size: Size, ids: dict[str, int]) -> dict[str, Any]:
    vision = _qwen_tower(size) | {"fullatt_block_indexes": [1]}
    return _qwen_ids(ids) | {"text_config": _qwen2_text(size), "vision_config": vision}


def _qwen3_vl(size: Size, ids: dict[str, int]) -> dict[str, Any]:
    vision = _qwen_tower(size) | {"num_position_embeddings": 16, "deepstack_visual_indexes": [0]}
    text = size.text(head_dim=HEAD_DIM, rope_parameters=_mrope(mrope_interleaved=True))
    return _qwen_ids(ids) | {"text_config": text, "vision_config": vision}


def _siglip() -> dict[str, Any]:
    return {
        "model_type": "siglip_vision_model",
        "image_size": PICTURE,
        "patch_size": PATCH,
        "vision_use_head": False,
    } | VISION


def _llava_onevision(size: Size, ids: dict[str, int]) -> dict[str, Any]:
    return {
        "text_config": size.text(model_type="qwen2"),
        "vision_config": _siglip(),
        "image_token_index": ids["<image>"],
        "video_token_index": ids["<video>"],
        "image_grid_pinpoints": PINPOINTS,
    }


def _internvl(size: Size, ids: dict[str, int]) -> dict[str, Any]:
    return {
        "text_config": size.text(model_type="qwen2"),
        "vision_config": {"image_size": PICTURE, "patch_size": PATCH} | VISION,
        "image_token_id": ids["<IMG_CONTEXT>"],
        "image_seq_length": 4,
    }


def _idefics3(size: Size, ids: dict[str, int]) -> dict[str, Any]:
    return {
        "text_config": size.text(model_type="llama"),
        "vision_config": {"image_size": PICTURE, "patch_size": PATCH} | VISION,
        "image_token_id": ids["<image>"],
        "scale_factor": 2,
    }


def _gemma3_text(size: Size) -> dict[str, Any]:
    layers = ["full_attention" if index % 2 else "sliding_attention" for index in range(size.layers)]
    rope = {
        "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
        "full_attention": {"rope_type": "default", "rope_theta": 1_000_000.0},
    }
    return size.text(head_dim=HEAD_DIM, layer_types=layers, rope_parameters=rope, query_pre_attn_scalar=HEAD_DIM)


def _gemma3(size: Size, ids: dict[str, int]) -> dict[str, Any]:
    return {
        "text_config": _gemma3_text(size),
        "vision_config": _siglip(),
        "mm_tokens_per_image": 4,
        "boi_token_index": ids["<start_of_image>"],
        "eoi_token_index": ids["<end_of_image>"],
        "image_token_index": ids["<image_soft_token>"],
    }


def _mistral3(size: Size, ids: dict[str, int]) -> dict[str, Any]:
    return {
        "text_config": size.text(model_type="mistral", head_dim=HEAD_DIM),
        "vision_config": {"model_type": "pixtral", "image_size": 4 * PICTURE, "patch_size": PATCH} | VISION,
        "image_token_index": ids["[IMG]"],
        "spatial_merge_size": 2,
    }


PINPOINTS = [[PICTURE, PICTURE], [PICTURE, 2 * PICTURE], [2 * PICTURE, PICTURE]]
SQUARE = {"size": {"height": PICTURE, "width": PICTURE}}
QWEN_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")
QWEN_PIXELS = {"patch_size": PATCH, "temporal_patch_size": 2, "merge_size": 2, "min_pixels": 56 * 56}
IDEFICS_TOKENS = ("<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>")
IDEFICS_GRID = tuple(f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2))
IDEFICS_PIXELS = {"size": {"longest_edge": 2 * PICTURE}, "max_image_size": {"longest_edge": PICTURE}}
QWEN_NAMES = (("model.language_model.", "model."), ("model.visual.", "visual."))
LLAVA_NAMES = (
    ("model.language_model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
    ("model.image_newline", "image_newline"),
)
TOWER = (("model.vision_tower.", "vision_tower."),)
SIGLIP_TOWER = (("model.vision_tower.", "vision_tower.vision_model."),)  # the hub files have one level more


def _plain(size: Size) -> dict[str, Any]:
    return size.text()


def _with_head_dim(size: Size) -> dict[str, Any]:
    return size.text(head_dim=HEAD_DIM)


def _qwen(code_type: str, vlm: Config, processor: str, *, patch: int = PATCH, flat: bool = True) -> Family:
    return Family(
        code_type=code_type,
        vlm=vlm,
        code=_plain if code_type == "qwen2" else _with_head_dim,
        processor={"processor_class": processor},
        preprocessor={"image_processor_type": "Qwen2VLImageProcessor", "max_pixels": 28 * 28 * 64}
        | QWEN_PIXELS
        | {"patch_size": patch},
        special=CHAT_TOKENS + QWEN_TOKENS,
        picture="<|vision_start|><|image_pad|><|vision_end|>",
        hub_names=QWEN_NAMES if flat else (),
        flat_config=flat,
        tokenizer_class="Qwen2Tokenizer",
    )


def _idefics(processor: str, image_processor: str) -> Family:
    return Family(
        code_type="llama",
        vlm=_idefics3,
        code=_plain,
        processor={"processor_class": processor, "image_seq_len": 4},
        preprocessor={"image_processor_type": image_processor} | IDEFICS_PIXELS,
        special=CHAT_TOKENS + IDEFICS_TOKENS + IDEFICS_GRID,
        picture="<image>",
        backbone="model.text_model.",
    )


FAMILIES: dict[str, Family] = {
    "qwen2_vl": _qwen("qwen2", _qwen2_vl, "Qwen2VLProcessor"),
    "qwen2_5_vl": _qwen("qwen2", _qwen2_5_vl, "Qwen2_5_VLProcessor"),
    "qwen3_vl": _qwen("qwen3", _qwen3_vl, "Qwen3VLProcessor", patch=16, flat=False),
    "llava_onevision": Family(
        code_type="qwen2",
        vlm=_llava_onevision,
        code=_plain,
        processor={
            "processor_class": "LlavaOnevisionProcessor",
            "num_image_tokens": 16,
            "vision_feature_select_strategy": "full",
        },
        preprocessor={"image_processor_type": "LlavaOnevisionImageProcessor", "image_grid_pinpoints": PINPOINTS}
        | SQUARE,
        special=(*CHAT_TOKENS, "<image>", "<video>"),
        picture="<image>",
        hub_names=LLAVA_NAMES + SIGLIP_TOWER,
    ),
    "internvl": Family(
        code_type="qwen2",
        vlm=_internvl,
        code=_plain,
        processor={"processor_class": "InternVLProcessor", "image_seq_length": 4},
        preprocessor={"image_processor_type": "GotOcr2ImageProcessor", "max_patches": 4} | SQUARE,
        special=(*CHAT_TOKENS, "<img>", "</img>", "<IMG_CONTEXT>", "<video>"),
        picture="<IMG_CONTEXT>",
        named={
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        },
        hub_names=LLAVA_NAMES + TOWER,
    ),
    "idefics3": _idefics("Idefics3Processor", "Idefics3ImageProcessor"),
    "smolvlm": _idefics("SmolVLMProcessor", "SmolVLMImageProcessor"),
    "gemma3": Family(
        code_type="gemma3_text",
        vlm=_gemma3,
        code=_gemma3_text,
        processor={"processor_class": "Gemma3Processor", "image_seq_length": 4},
        preprocessor={"image_processor_type": "Gemma3ImageProcessor"} | SQUARE,
        special=(*CHAT_TOKENS, "<start_of_image>", "<end_of_image>", "<image_soft_token>"),
        picture="<start_of_image>",
        named={
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image_soft_token>",
        },
        hub_names=LLAVA_NAMES + SIGLIP_TOWER,
    ),
    "mistral3": Family(
        code_type="mistral",
        vlm=_mistral3,
        code=_with_head_dim,
        processor={"processor_class": "PixtralProcessor", "patch_size": PATCH, "spatial_merge_size": 2},
        preprocessor={
            "image_processor_type": "PixtralImageProcessor",
            "patch_size": PATCH,
            "size": {"longest_edge": 4 * PICTURE},
        },
        special=(*CHAT_TOKENS, "[IMG]", "[IMG_BREAK]", "[IMG_END]"),
        picture="[IMG]",
        hub_names=LLAVA_NAMES + TOWER,
    ),
}
