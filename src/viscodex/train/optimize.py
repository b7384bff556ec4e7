"""The optimiser and its learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch

from viscodex.checkpoint.layout import part_of
from viscodex.core.errors import UsageError
from viscodex.train.recipe import TrainRecipe


def make_optimizer(model: torch.nn.Module, recipe: TrainRecipe, device: torch.device) -> torch.optim.Optimizer:
    """AdamW over what is trained; matrices decay, norms and biases do not. Fused where the device has it."""
    groups = _groups(model, recipe.weight_decay)
    settings: dict[str, Any] = {"lr": recipe.lr, "betas": (recipe.beta1, recipe.beta2), "eps": 1e-8}
    if recipe.optimizer == "adamw_8bit":
        return _eight_bit(groups, settings, recipe.precision == "bfloat16")
    return torch.optim.AdamW(groups, fused=device.type in ("cuda", "cpu"), **settings)


def _groups(model: torch.nn.Module, decay: float) -> list[dict[str, Any]]:
    """By whether they decay, and by whether they are of the backbone: one fused step cannot do shards and whole ones.

    With one rank nothing is a shard, and the groups are the same: so a run goes on with another number of ranks.
    """
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((parameter.ndim >= 2, part_of(name) == "backbone"), []).append(parameter)
    return [{"params": found, "weight_decay": decay if decays else 0.0} for (decays, _), found in groups.items()]


def _eight_bit(groups: list[dict[str, Any]], settings: dict[str, Any], is_bf16: bool) -> torch.optim.Optimizer:
    """torchao's where it is installed (it rounds bfloat16 weights stochastically), else bitsandbytes'."""
    try:
        from torchao.optim import AdamW8bit
    except ImportError:
        pass
    else:
        made: torch.optim.Optimizer = AdamW8bit(groups, bf16_stochastic_round=is_bf16, **settings)
        return made
    try:
        from bitsandbytes.optim import AdamW8bit as BitsAndBytes
    except ImportError as error:
        raise UsageError(
            "adamw_8bit needs torchao or bitsandbytes", hint="pip install torchao, or --set optimizer=adamw"
        ) from error
    other: torch.optim.Optimizer = BitsAndBytes(groups, **settings)
    return other


def lr_at(step: int, steps: int, recipe: TrainRecipe) -> float:
    """The learning rate of step 0 … steps − 1: a linear rise, then a cosine, a line, or nothing."""
    rise = math.ceil(recipe.warmup * steps)
    if step < rise:
        return recipe.lr * (step + 1) / rise
    done = (step - rise) / max(1, steps - rise)
    falls = {"cosine": 0.5 * (1 + math.cos(math.pi * done)), "linear": 1 - done, "constant": 1.0}
    return recipe.lr * (recipe.final_lr + (1 - recipe.final_lr) * falls[recipe.schedule])


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr


def scale_gradients(parameters: Iterable[torch.nn.Parameter], factor: float) -> None:
    """Multiply every gradient in place; shards as well."""
    grads = [local(p.grad) for p in parameters if p.grad is not None]
    if grads and factor != 1.0:
        torch._foreach_mul_(grads, factor)


def local(tensor: torch.Tensor) -> torch.Tensor:
    """This rank's own piece of a sharded tensor; the tensor itself if it is whole."""
    mine: torch.Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return mine
