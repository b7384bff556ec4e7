"""Steps of a Qwen2.5-VL-shaped model with random weights on one device: where the time and the memory go.

Synthetic packs with lengths like MCD's: pictures of about 900 tokens in three rows of four, answers of about 1,100.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

import result
from viscodex.train import forward
from viscodex.train.attention import use_attention
from viscodex.train.batch import Batch, Loaded, collate
from viscodex.train.encode import Encoded
from viscodex.train.flops import Cost, peak_of
from viscodex.train.forward import Objective
from viscodex.train.optimize import make_optimizer
from viscodex.train.pack import first_fit
from viscodex.train.parts import freeze_all_but
from viscodex.train.provenance import memory_in_use
from viscodex.train.recipe import TrainRecipe

SHAPES: dict[str, dict[str, Any]] = {
    "7b": {
        "hidden": 3584,
        "inner": 18944,
        "layers": 28,
        "heads": 28,
        "kv": 4,
        "vocab": 152064,
        "depth": 32,
        "tokens": 16384,
    },
    "3b": {
        "hidden": 2048,
        "inner": 11008,
        "layers": 36,
        "heads": 16,
        "kv": 2,
        "vocab": 151936,
        "depth": 32,
        "tokens": 16384,
    },
    "tiny": {"hidden": 128, "inner": 256, "layers": 2, "heads": 2, "kv": 1, "vocab": 2048, "depth": 2, "tokens": 1024},
}
SAMPLES = {"7b": 32, "3b": 32, "tiny": 6}
WARM, STEPS = 1, 3

# name → (packed, chunked loss, activation checkpointing)
VARIANTS = {
    "packed, chunked loss, checkpointing": (True, True, True),
    "one sample a forward pass": (False, True, True),
    "all answers' logits at once": (True, False, True),
    "without checkpointing": (True, True, False),
}


@dataclass
class Stopwatch:
    """Seconds by what was done, the device waited for."""

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def measure(self, name: str) -> Iterator[None]:
        began = self.now()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self.now() - began

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def watch(self, module: torch.nn.Module, name: str) -> None:
        """Count a module's forward passes."""
        begun: list[float] = []
        module.register_forward_pre_hook(lambda *_: begun.append(self.now()))
        module.register_forward_hook(
            lambda *_: self.seconds.__setitem__(name, self.seconds.get(name, 0.0) + self.now() - begun.pop())
        )


@dataclass(frozen=True)
class Tokens:
    """What collating needs to know of an encoder."""

    image_id: int
    merge: int = 2


def measure_device(name: str, shape: str, folder: Path) -> Path:
    """Every variant on one device, into train-DEVICE.json, which is there after the first one already."""
    device = torch.device(name)
    title = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    slug = title.lower().replace(" ", "-")
    note = (
        f"Qwen2.5-VL-{shape}-shaped random weights, {SAMPLES[shape]} samples a step, vision frozen, bfloat16 AdamW; "
        f"means of {STEPS} steps after {WARM}. MFU counts what is useful: activations computed again do not."
    )
    rows: list[dict[str, Any]] = []
    details: dict[str, Any] = {}
    for label, (packed, chunked, checkpointing) in VARIANTS.items():
        try:
            facts = measure_variant(device, shape, packed=packed, chunked=chunked, checkpointing=checkpointing)
            details[label] = facts
            rows.append({"": label, **table_row(facts)})
        except torch.OutOfMemoryError:
            rows.append({"": label, "step (s)": None, "note": "out of memory"})
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
        print(rows[-1], file=sys.stderr, flush=True)
        path = result.write(f"train-{slug}", f"A training step on {title}", rows, note, folder=folder, details=details)
    return path


def measure_variant(
    device: torch.device, shape: str, *, packed: bool, chunked: bool, checkpointing: bool
) -> dict[str, Any]:
    """Mean seconds of a step by part, tokens, operations, peak memory."""
    sizes = SHAPES[shape]
    model = build(sizes, device)
    use_attention(model, "auto", device)
    recipe = TrainRecipe(precision="bfloat16")
    objective = Objective(model, loss_chunk=recipe.loss_chunk, checkpointing=checkpointing).train()
    optimizer = make_optimizer(model, recipe, device)
    watch = Stopwatch(device)
    watch.watch(model.model.visual, "vision")
    watch.watch(model.model.language_model, "backbone")
    samples = [sample(number, sizes, model.config.image_token_id) for number in range(SAMPLES[shape])]
    lengths = [len(one.encoded.ids) for one in samples]
    packs = first_fit(lengths, sizes["tokens"]) if packed else [[place] for place in range(len(samples))]
    encoder: Any = Tokens(model.config.image_token_id)
    batches = [collate([samples[place] for place in pack], encoder).to(device) for pack in packs]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with contextlib.nullcontext() if chunked else all_logits():
        for step in range(WARM + STEPS):
            if step == WARM:
                watch.seconds.clear()
                began = watch.now()
            one_step(objective, optimizer, batches, watch)
    seconds = (watch.now() - began) / STEPS
    tokens, answers = sum(lengths), sum(len(batch.labels) for batch in batches)
    patches = sum(len(batch.pixels) for batch in batches if batch.pixels is not None)
    operations = Cost.of(model).step(tokens, answers, patches, sum(length**2 for length in lengths))
    peak = peak_of(device)
    parts = {name: value / STEPS for name, value in watch.seconds.items()}
    parts["loss"] = parts.pop("forward") - parts["vision"] - parts["backbone"]
    return {
        "seconds": seconds,
        "parts": parts,
        "tokens": tokens,
        "answers": answers,
        "packs": len(packs),
        "fill": tokens / (len(packs) * sizes["tokens"]),
        "operations": operations,
        "mfu": operations / seconds / peak if peak else None,
        "peak_bytes": memory_in_use(device),
    }


def one_step(objective: Objective, optimizer: torch.optim.Optimizer, batches: list[Batch], watch: Stopwatch) -> None:
    answers = sum(len(batch.labels) for batch in batches)
    for batch in batches:
        with watch.measure("forward"):
            loss = objective(batch).sum() / answers
        with watch.measure("backward"):
            loss.backward()
    with watch.measure("optimizer"):
        optimizer.step()
        optimizer.zero_grad()


def table_row(facts: dict[str, Any]) -> dict[str, Any]:
    parts = facts["parts"]
    return {
        "tokens/s": round(facts["tokens"] / facts["seconds"]),
        "answer tokens/s": round(facts["answers"] / facts["seconds"]),
        "MFU (%)": None if facts["mfu"] is None else round(100 * facts["mfu"], 1),
        "peak (GB)": round(facts["peak_bytes"] / 1e9, 1),
        "step (s)": round(facts["seconds"], 3),
        **{f"{name} (s)": round(parts[name], 3) for name in ("vision", "backbone", "loss", "backward", "optimizer")},
        "note": f"{facts['packs']} packs, {100 * facts['fill']:.0f} % full",
    }


def build(sizes: dict[str, Any], device: torch.device) -> Any:
    """Random weights in bfloat16, made on the device."""
    tower = {"depth": sizes["depth"], "out_hidden_size": sizes["hidden"], "hidden_size": 1280}  # by default 3,584
    if sizes["depth"] < 8:
        tower |= {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 2,
            "fullatt_block_indexes": [sizes["depth"] - 1],
        }
    width = sizes["hidden"] // sizes["heads"] // 2
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [width // 4, width * 3 // 8, width * 3 // 8]}
    text = {
        "hidden_size": sizes["hidden"],
        "intermediate_size": sizes["inner"],
        "num_hidden_layers": sizes["layers"],
        "num_attention_heads": sizes["heads"],
        "num_key_value_heads": sizes["kv"],
        "vocab_size": sizes["vocab"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "rope_parameters": rope,
    }
    ids = {"image_token_id": 5, "video_token_id": 6, "vision_start_token_id": 7, "vision_end_token_id": 8}
    config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=tower, tie_word_embeddings=False, **ids)
    torch.manual_seed(0)
    with torch.device(device):
        model = transformers.Qwen2_5_VLForConditionalGeneration._from_config(config, dtype=torch.bfloat16)
    freeze_all_but(model, ["backbone"])
    return model


def sample(number: int, sizes: dict[str, Any], image_id: int) -> Loaded:
    """A sample of random tokens; three in four have a picture."""
    draw = np.random.default_rng(number)
    small = sizes["tokens"] < 8192
    answer = int(np.clip(draw.lognormal(7.0 if not small else 4.0, 0.6), 20, sizes["tokens"] // 4))
    prompt = draw.integers(10, sizes["vocab"], 40)
    rows, columns = (draw.integers(20, 40, 2) if not small else draw.integers(2, 6, 2)).tolist()
    grids = pixels = None
    ids = [prompt]
    if number % 4 != 3:
        ids.append(np.full(rows * columns, image_id))
        grids = torch.tensor([[1, 2 * rows, 2 * columns]])
        pixels = torch.randn(4 * rows * columns, 3 * 2 * 14 * 14, dtype=torch.bfloat16)
    ids.append(draw.integers(10, sizes["vocab"], answer))
    joined = np.concatenate(ids).astype(np.int64)
    is_answer = np.arange(len(joined)) >= len(joined) - answer
    return Loaded(f"sample-{number}", "chart", Encoded(joined, is_answer), pixels, grids)


@contextlib.contextmanager
def all_logits() -> Iterator[None]:
    """Without chunks: the logits of all learned tokens of a pack in float32, kept for the backward pass."""
    chunked = forward.row_losses

    def plain(hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, chunk: int) -> torch.Tensor:
        return torch.nn.functional.cross_entropy((hidden @ weight.T).float(), labels, reduction="none")

    forward.row_losses = plain
    try:
        yield
    finally:
        forward.row_losses = chunked
