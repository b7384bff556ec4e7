"""The pocket models' shape: Qwen2.5-VL with a small backbone and a small tower, written with random weights.

A text-only model here is such a model too, whose tower is never used, so that every training is the product's own;
`backbone` takes the language model out of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from viscodex.core import rundir
from viscodex.model.hub_files import configuration, initial_model, on_disk, write_config, write_text, write_weights
from viscodex.model.tiny_families import FAMILIES
from viscodex.pocket import tokenizer

FAMILY = FAMILIES["qwen2_5_vl"]
PROCESSOR = str(FAMILY.processor["processor_class"])
VISION = "visual."
LONGEST = 2048
EMBEDDING_SPREAD = 0.08
MATRIX_SPREAD = 0.5  # of one over the root of the fan-in


@dataclass(frozen=True)
class Geometry:
    """Sizes of backbone and tower; heads are 32 wide in both."""

    hidden: int = 192
    layers: int = 5
    inner: int = 512
    heads: int = 6
    shared_heads: int = 2
    vision_hidden: int = 128
    vision_layers: int = 4
    vision_inner: int = 256
    vision_heads: int = 4

    def text(self, vocabulary: int) -> dict[str, Any]:
        return {
            "vocab_size": vocabulary,
            "hidden_size": self.hidden,
            "intermediate_size": self.inner,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.shared_heads,
            "max_position_embeddings": LONGEST,
            "rms_norm_eps": 1e-6,
            "bos_token_id": tokenizer.PAD,
            "eos_token_id": tokenizer.STOP,
            "pad_token_id": tokenizer.PAD,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
        }

    def vision(self) -> dict[str, Any]:
        return {
            "depth": self.vision_layers,
            "hidden_size": self.vision_hidden,
            "intermediate_size": self.vision_inner,
            "num_heads": self.vision_heads,
            "out_hidden_size": self.hidden,
            "fullatt_block_indexes": list(range(self.vision_layers)),
        }


def vision_language(shape: Geometry, ids: dict[str, int], vocabulary: int) -> Any:
    """Configuration of a model that sees."""
    half = shape.hidden // shape.heads // 2
    side = 3 * half // 8  # as Qwen2.5-VL's 16, 24, 24 of 64
    sections = [half - 2 * side, side, side]
    text = shape.text(vocabulary)
    text["rope_parameters"] = text["rope_parameters"] | {"mrope_section": sections}
    return configuration(
        "qwen2_5_vl",
        text_config=text,
        vision_config=shape.vision(),
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )


def write_random(out: Path, shape: Geometry, seed: int) -> None:
    """A checkpoint to begin with, in float32."""
    known = tokenizer.build()
    vocabulary = -(-known.get_vocab_size() // 64) * 64
    numbers = known.get_vocab()
    ids = {token: numbers[token] for token in tokenizer.SPECIAL}
    config = vision_language(shape, ids, vocabulary)
    torch.manual_seed(seed)
    model = initial_model(config)
    _widen(model)
    config.architectures, config.dtype = [type(model).__name__], "float32"
    tensors = {
        on_disk(name, FAMILY.hub_names): value.contiguous()
        for name, value in model.state_dict().items()
        if name != "lm_head.weight"
    }
    partial = rundir.partial_path(out)
    rundir.remove_tree(partial)
    partial.mkdir(parents=True)
    write_weights(partial, tensors, shards=1)
    write_config(partial, config, "hub", flat=True, stop=tokenizer.STOP, pad=tokenizer.PAD)
    for name, content in tokenizer.files(PROCESSOR).items():
        write_text(partial / name, content)
    owner = {"processor_class": PROCESSOR}
    pixels = {"min_pixels": 28 * 28, "max_pixels": 28 * 28 * 256}
    write_text(partial / "preprocessor_config.json", FAMILY.preprocessor | pixels | owner)
    write_text(partial / "processor_config.json", FAMILY.processor)
    write_text(partial / "chat_template.json", {"chat_template": tokenizer.template(sees=True)})
    rundir.publish(partial, out)


@torch.no_grad()
def _widen(model: torch.nn.Module) -> None:
    """Initial weights by fan-in. transformers' own spread, 0.02, is meant for models ten times as wide.

    Copying words was not learned before this and documents that show copying; which of the two it took was not tried.
    """
    for name, parameter in model.named_parameters():
        if "embed_tokens" in name:
            parameter.normal_(0.0, EMBEDDING_SPREAD)
        elif parameter.ndim >= 2 and "lm_head" not in name:
            parameter.normal_(0.0, MATRIX_SPREAD / parameter[0].numel() ** 0.5)


def backbone(model: Path, out: Path) -> None:
    """The language model of a checkpoint that sees, as a checkpoint of its own (Qwen2)."""
    tensors = {name: value for name, value in load_file(model / "model.safetensors").items() if VISION not in name}
    values = rundir.read_json(model / "config.json")
    keys = Geometry().text(0).keys() - {"rope_parameters"}
    config = configuration(
        "qwen2",
        **{key: values[key] for key in keys},
        rope_parameters={"rope_type": "default", "rope_theta": values["rope_theta"]},
        tie_word_embeddings=True,
    )
    config.architectures, config.dtype = ["Qwen2ForCausalLM"], str(values.get("torch_dtype", "float32"))
    partial = rundir.partial_path(out)
    rundir.remove_tree(partial)
    partial.mkdir(parents=True)
    write_weights(partial, tensors, shards=1)
    write_config(partial, config, "hub", flat=False, stop=tokenizer.STOP, pad=tokenizer.PAD)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        content = (model / name).read_text(encoding="utf-8")
        if name == "tokenizer_config.json":
            settings = rundir.read_json(model / name)
            settings["chat_template"] = tokenizer.template(sees=False)
            settings.pop("processor_class", None)
            write_text(partial / name, settings)
        else:
            write_text(partial / name, content)
    rundir.publish(partial, out)
