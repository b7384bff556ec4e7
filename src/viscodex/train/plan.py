"""What a run will be, before it begins: samples, tokens, steps, how full the packs are, memory per rank."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch

from viscodex.checkpoint.layout import PARTS
from viscodex.checkpoint.reader import open_checkpoint
from viscodex.core.sample import KINDS
from viscodex.train.job import Material, precision_of
from viscodex.train.pack import pack_step
from viscodex.train.recipe import TrainRecipe

PACKED_STEPS = 20  # steps that are packed for the estimate
ADAM = {"adamw": 8.0, "adamw_8bit": 2.1}  # bytes of optimiser state a parameter


def plan_run(recipe: TrainRecipe, material: Material, ranks: int, device: torch.device) -> dict[str, Any]:
    """The plan as plain values."""
    data, rows = material.data, material.split.train
    kinds = data.kinds[rows]
    categories = {
        kind: {
            "samples": int((kinds == number).sum()),
            "an_epoch": int(recipe.mixture.get(kind, 1.0) * (kinds == number).sum()),
            "tokens": int(data.tokens[rows][kinds == number].sum()),
            "answers": int(data.answers[rows][kinds == number].sum()),
            "image_tokens": int(data.image_tokens[rows][kinds == number].sum()),
        }
        for number, kind in enumerate(KINDS)
        if (kinds == number).any()
    }
    packs, fill = packing(recipe, material, ranks)
    return {
        "title": recipe.name,
        "model": str(material.folder),
        "categories": categories,
        "held_out": len(material.split.held_out),
        "skipped": dict(Counter(skip.reason for skip in data.skipped(recipe.max_length)).most_common()),
        "oddities": data.facts["oddities"],
        "steps": material.steps,
        "samples": material.samples,
        "ranks": ranks,
        "packs_a_step_and_rank": packs,
        "fill": fill,
        "memory": memory(recipe, material, ranks, precision_of(recipe, device)),
    }


def packing(recipe: TrainRecipe, material: Material, ranks: int) -> tuple[float, float]:
    """Mean packs of a rank in a step, and which share of their tokens is used."""
    lengths = material.data.tokens
    packs = tokens = 0
    steps = range(0, material.steps, max(1, material.steps // PACKED_STEPS))
    for step in steps:
        start = step * recipe.batch_size
        rows = material.order.stream(start, min(recipe.batch_size, material.samples - start))
        packed = pack_step([int(n) for n in lengths[rows]], recipe.batch_tokens, ranks)
        packs += len(packed[0])
        tokens += int(lengths[rows].sum())
    return packs / len(steps), tokens / (packs * ranks * recipe.batch_tokens)


def memory(recipe: TrainRecipe, material: Material, ranks: int, precision: str) -> dict[str, int]:
    """Bytes a rank needs, by what they are for; activations are an estimate for the fullest pack."""
    sizes = open_checkpoint(material.folder, "model")
    counts = {part: sum(i.elements for (p, _), i in sizes.tensors.items() if p == part) for part in PARTS}
    trained = {part: counts[part] if part in recipe.train_parts else 0 for part in PARTS}
    if recipe.lora_rank:
        trained["backbone"] = _adapter_parameters(recipe, sizes)
    wide = 2 if precision == "bfloat16" else 4
    narrow = 4 if precision == "float32" else 2
    found: dict[str, float] = {"weights": 0, "gradients": 0, "optimizer": 0}
    for part in PARTS:
        share = ranks if part == "backbone" else 1  # the vision modules stay whole on every rank
        frozen = counts[part] - (0 if recipe.lora_rank and part == "backbone" else trained[part])
        frozen_width = wide if part == "backbone" and ranks > 1 else narrow
        found["weights"] += (trained[part] * wide + frozen * frozen_width) / share
        found["gradients"] += trained[part] * wide / share
        found["optimizer"] += trained[part] * ADAM[recipe.optimizer] * wide / 4 / share
    text = sizes.config.get("text_config") or sizes.config
    if precision == "mixed":  # what is computed with: two layers and the ends under FSDP, everything otherwise
        ends = 2 * text["vocab_size"] * text["hidden_size"]
        layer = (counts["backbone"] - ends) / text["num_hidden_layers"]
        found["gathered"] = 2 * (ends + 2 * layer if ranks > 1 else counts["backbone"])
    found["activations"] = _activations(recipe, text, narrow)
    found["logits"] = recipe.loss_chunk * text["vocab_size"] * (4 + 4 + narrow)
    found["head_gradient"] = 4 * text["vocab_size"] * text["hidden_size"] if trained["backbone"] else 0
    return {name: round(size) for name, size in found.items()} | {"total": round(sum(found.values()))}


def _activations(recipe: TrainRecipe, text: Any, width: int) -> float:
    """What a pack leaves behind for the backward pass: each layer's input, and all of one layer (or of all)."""
    hidden, layers = text["hidden_size"], text["num_hidden_layers"]
    kv = hidden * text["num_key_value_heads"] / text["num_attention_heads"]
    # Two norms (in and out), q, k, v, attention's output, its projection; gate, up, their product, down.
    inside = 7 * hidden + 2 * kv + 4 * text["intermediate_size"]
    tokens = recipe.batch_tokens
    kept = layers * hidden + inside if recipe.checkpointing else layers * (hidden + inside)
    return float(tokens * width * kept)


def _adapter_parameters(recipe: TrainRecipe, sizes: Any) -> int:
    matrices = [info.shape for (part, key), info in sizes.tensors.items() if part == "backbone" and ".layers." in key]
    return recipe.lora_rank * sum(sum(shape) for shape in matrices if len(shape) == 2)


def plan_lines(plan: dict[str, Any]) -> list[str]:
    """The plan as lines below the table of categories."""
    memory = ", ".join(f"{name.replace('_', ' ')} {size / 1e9:,.2f}" for name, size in plan["memory"].items())
    skipped = ", ".join(f"{count} {reason}" for reason, count in plan["skipped"].items()) or "none"
    fill = f"{100 * plan['fill']:.1f} %"
    odd = ", ".join(f"{count} {name}" for name, count in plan["oddities"].items())
    return [
        f"model: {plan['model']}",
        f"skipped: {skipped}" + (f"; seen and mended: {odd}" if odd else ""),
        f"held out: {plan['held_out']} samples",
        f"{plan['steps']:,} steps, {plan['samples']:,} samples in all",
        f"ranks: {plan['ranks']}, packs a step on each: {plan['packs_a_step_and_rank']:.1f}, {fill} full",
        f"memory per rank, GB (estimate): {memory}",
    ]
