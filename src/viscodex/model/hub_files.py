"""A checkpoint as the hub has them, from tensors and a configuration: names, shards, index, files beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from safetensors.torch import save_file

Layout = Literal["hub", "memory"]


def configuration(model_type: str, **values: Any) -> Any:
    """The family's configuration with these values."""
    return transformers.AutoConfig.for_model(model_type, **values)


def initial_model(config: Any) -> Any:
    """A model that sees, with the weights transformers gives it before any training."""
    return transformers.AutoModelForImageTextToText.from_config(config)


def on_disk(name: str, table: tuple[tuple[str, str], ...]) -> str:
    """The name of a tensor in files, from its name in memory and pairs of prefixes (memory, files)."""
    for here, there in table:
        if name.startswith(here):
            return there + name.removeprefix(here)
    return name


def write_weights(out: Path, tensors: dict[str, torch.Tensor], shards: int) -> None:
    """`model.safetensors`, or that many shards of about equal tensor count and their index."""
    names = sorted(tensors)
    if shards == 1:
        save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
        return
    weight_map: dict[str, str] = {}
    for index in range(shards):
        file = f"model-{index + 1:05d}-of-{shards:05d}.safetensors"
        mine = names[index * len(names) // shards : (index + 1) * len(names) // shards]
        save_file({name: tensors[name] for name in mine}, out / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(mine, file)
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    write_text(out / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": weight_map})


def write_config(out: Path, config: Any, layout: Layout, *, flat: bool, stop: int, pad: int) -> None:
    """`config.json` and `generation_config.json`. `flat`: the text settings stand at the top, as in Qwen2-VL."""
    values = json.loads(json.dumps(config.to_diff_dict()))
    if layout == "hub":
        values = _hub_config(values, flat)
    write_text(out / "config.json", values)
    generation = {"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.05}
    stops = {"eos_token_id": [stop, pad], "pad_token_id": pad}
    write_text(out / "generation_config.json", stops | generation | {"transformers_version": transformers.__version__})


def _hub_config(values: dict[str, Any], flat: bool) -> dict[str, Any]:
    """As files on the hub are written: `rope_theta`, `torch_dtype`, and for Qwen2-VL the text settings at the top."""
    if flat:
        text = values.pop("text_config")
        values = {key: value for key, value in text.items() if key != "model_type"} | values
    values.get("vision_config", {}).pop("rope_parameters", None)  # the class's default; no file on the hub names it
    for section in (values, values.get("text_config", {})):
        rope = section.pop("rope_parameters", None) or {}
        if "sliding_attention" in rope:
            section["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
            rope = rope["full_attention"]
        if "rope_theta" in rope:
            section["rope_theta"] = rope.pop("rope_theta")
        if "mrope_section" in rope:
            section["rope_scaling"] = rope if not flat else {"type": "mrope", "mrope_section": rope["mrope_section"]}
        if "dtype" in section:
            section["torch_dtype"] = section.pop("dtype")
    return values


def write_text(path: Path, content: Any) -> None:
    """A text as it is, other values as JSON."""
    text = content if isinstance(content, str) else json.dumps(content, indent=2) + "\n"
    path.write_text(text, encoding="utf-8")
