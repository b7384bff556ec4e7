"""LoRA adapters on the backbone's matrices (peft), and the weights with adapters added."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from viscodex.checkpoint.layout import part_of
from viscodex.core.errors import UsageError
from viscodex.train.parallel import whole
from viscodex.train.recipe import TrainRecipe

MATRICES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
NAME = "default"


def add_adapters(model: Any, recipe: TrainRecipe) -> None:
    """Put low-rank adapters beside every matrix of the decoder layers; they alone are trained in the backbone."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise UsageError("lora_rank needs peft", hint="pip install 'viscodex[train]', or --set lora_rank=0") from error
    config = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules=rf".*language_model\.layers\.\d+\..*\.({'|'.join(MATRICES)})",
    )
    torch.manual_seed(recipe.seed)  # the first adapter matrix is drawn
    inject_adapter_in_model(config, model, adapter_name=NAME)
    for name, parameter in model.named_parameters():
        if part_of(name) == "backbone":
            parameter.requires_grad_("lora_" in name)


def learned_parameters(model: Any) -> Iterator[tuple[str, Callable[[], torch.Tensor]]]:
    """Of what was trained: name in the plain model, and how to get the whole value, with its adapter if it has one.

    Gathers over ranks.
    """
    adapted = {
        f"{name}.weight": module for name, module in model.named_modules() if hasattr(module, "get_delta_weight")
    }
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            continue
        plain = name.replace(".base_layer.", ".")
        if parameter.requires_grad or plain in adapted:
            yield plain, lambda parameter=parameter, module=adapted.get(plain): _value(parameter, module)  # type: ignore[misc]


def _value(parameter: torch.Tensor, module: Any) -> torch.Tensor:
    value = whole(parameter.detach())
    if module is None:
        return value
    down, up = (whole(getattr(module, f"lora_{side}")[NAME].weight.detach()).float() for side in "AB")
    merged: torch.Tensor = value.float() + module.scaling[NAME] * (up @ down)
    return merged
