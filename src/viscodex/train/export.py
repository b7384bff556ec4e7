"""The same run for other trainers: data and configuration for LLaMA-Factory or ms-swift.

What the recipe says is carried over where they have a setting for it. Bad samples are left out as here; what is too
long is left out too, since both would cut it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from viscodex.core.row import SUFFIXES
from viscodex.core.rundir import atomic_write, partial_path, publish, remove_tree, require_free, write_json
from viscodex.train.job import Material
from viscodex.train.order import Rows
from viscodex.train.recipe import TrainRecipe
from viscodex.train.store import Prepared, Skipped

Target = Literal["llamafactory", "swift"]
TARGETS: tuple[Target, ...] = ("llamafactory", "swift")


def export(target: Target, recipe: TrainRecipe, material: Material, out: Path, ranks: int) -> dict[str, Any]:
    """Write OUT with data, pictures and configuration; returns what was written."""
    require_free(out)
    partial = partial_path(out)
    remove_tree(partial)
    (partial / "images").mkdir(parents=True)
    splits = {"train": material.order.epoch(0), "held_out": material.split.held_out}
    counts = {
        name: write_rows(target, material.data, rows, partial, name) for name, rows in splits.items() if len(rows)
    }
    if target == "llamafactory":
        write_json(partial / "dataset_info.json", {f"mcd_{name}": dataset_info(f"{name}.json") for name in counts})
        atomic_write(
            partial / "train.yaml", as_yaml(llamafactory(recipe, material.folder, ranks, "held_out" in counts))
        )
        command = "llamafactory-cli train train.yaml"
    else:
        atomic_write(partial / "train.sh", swift(recipe, material.folder, ranks, "held_out" in counts))
        command = "bash train.sh"
    skipped: list[Skipped] = list(material.data.skipped(recipe.max_length))
    atomic_write(partial / "skipped.jsonl", "".join(json.dumps(vars(skip)) + "\n" for skip in skipped))
    publish(partial, out)
    return {"target": target, "samples": counts, "skipped": len(skipped), "out": str(out), "command": command}


def write_rows(target: Target, data: Prepared, rows: Rows, out: Path, name: str) -> int:
    """`NAME.json` (one array) or `NAME.jsonl`, and the pictures; paths are relative to OUT."""
    lines = (json.dumps(record, ensure_ascii=False) for record in records(data, rows, out))
    if target == "swift":
        atomic_write(out / f"{name}.jsonl", "".join(f"{line}\n" for line in lines))
    else:
        atomic_write(out / f"{name}.json", "[\n" + ",\n".join(lines) + "\n]\n")
    return len(rows)


def records(data: Prepared, rows: Rows, out: Path) -> Iterator[dict[str, Any]]:
    """Chats as both read them: `<image>` in the text, paths beside it."""
    for number in rows:
        row = data.read(int(number))
        names = []
        for place, picture in enumerate(row.pictures):
            content = picture.read()
            suffix = next((s for start, s in SUFFIXES.items() if content.startswith(start)), "png")
            names.append(f"images/{int(number):07d}-{place}.{suffix}")
            (out / names[-1]).write_bytes(content)
        turns = [{"role": turn.role, "content": turn.text} for turn in row.marked().turns]
        yield {"id": row.id, "category": row.kind, "messages": turns, "images": names}


def dataset_info(file: str) -> dict[str, Any]:
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    columns = {"messages": "messages", "images": "images"}
    return {"file_name": file, "formatting": "sharegpt", "columns": columns, "tags": tags | {"system_tag": "system"}}


def llamafactory(recipe: TrainRecipe, model: Path, ranks: int, has_held_out: bool) -> dict[str, Any]:
    """Its settings. A batch of `batch_size` samples is made of micro-batches of one."""
    trained = recipe.train_parts
    adapters = {"lora_rank": recipe.lora_rank, "lora_alpha": recipe.lora_alpha, "lora_target": "all"}
    held_out = {"eval_dataset": "mcd_held_out", "eval_strategy": "steps", "eval_steps": recipe.eval_every or 500}
    return {
        "model_name_or_path": str(model),
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora" if recipe.lora_rank else "full",
        "freeze_language_model": "backbone" not in trained,
        "freeze_multi_modal_projector": "projector" not in trained,
        "freeze_vision_tower": "vision" not in trained,
        **(adapters if recipe.lora_rank else {}),
        "image_max_pixels": recipe.max_pixels,
        "dataset": "mcd_train",
        "dataset_dir": ".",
        "media_dir": ".",
        "template": "qwen2_vl",
        "cutoff_len": recipe.max_length,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": max(1, recipe.batch_size // ranks),
        "learning_rate": recipe.lr,
        "num_train_epochs": recipe.epochs,
        "lr_scheduler_type": recipe.schedule,
        "warmup_ratio": recipe.warmup,
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.clip,
        "bf16": True,
        "seed": recipe.seed,
        **({"max_steps": recipe.max_steps} if recipe.max_steps else {}),
        **(held_out if has_held_out else {}),
        "logging_steps": 1,
        "save_steps": recipe.checkpoint_every or 500,
        "save_total_limit": recipe.keep,
        "output_dir": "out",
    }


def swift(recipe: TrainRecipe, model: Path, ranks: int, has_held_out: bool) -> str:
    """A script for ms-swift 4; `truncation_strategy delete` leaves out what is too long."""
    trained = recipe.train_parts
    values = {
        "model": str(model),
        "dataset": "train.jsonl",
        **({"val_dataset": "held_out.jsonl"} if has_held_out else {}),
        "split_dataset_ratio": 0,
        "tuner_type": "lora" if recipe.lora_rank else "full",
        **({"lora_rank": recipe.lora_rank, "lora_alpha": recipe.lora_alpha} if recipe.lora_rank else {}),
        "freeze_llm": _word("backbone" not in trained),
        "freeze_aligner": _word("projector" not in trained),
        "freeze_vit": _word("vision" not in trained),
        "torch_dtype": "bfloat16",
        "max_length": recipe.max_length,
        "truncation_strategy": "delete",
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": max(1, recipe.batch_size // ranks),
        "learning_rate": recipe.lr,
        "num_train_epochs": recipe.epochs,
        **({"max_steps": recipe.max_steps} if recipe.max_steps else {}),
        "lr_scheduler_type": recipe.schedule,
        "warmup_ratio": recipe.warmup,
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.clip,
        "seed": recipe.seed,
        "save_steps": recipe.checkpoint_every or 500,
        "save_total_limit": recipe.keep,
        "deepspeed": "zero3",
        "output_dir": "out",
    }
    options = " \\\n".join(f"    --{name} {shlex.quote(str(value))}" for name, value in values.items())
    return f"NPROC_PER_NODE={ranks} MAX_PIXELS={recipe.max_pixels} swift sft \\\n{options}\n"


def as_yaml(values: dict[str, Any]) -> str:
    """Flat settings as YAML; JSON scalars are YAML, but 1e-05 would be a text."""
    lines = [f"{key}: {_scalar(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def _scalar(value: Any) -> str:
    return f"{value:.10f}".rstrip("0") + "0" * (value == int(value)) if isinstance(value, float) else json.dumps(value)


def _word(value: bool) -> str:
    return "true" if value else "false"
