"""TRL's SFTTrainer on the same model and rows, in an environment of its own; writes what it measured as JSON.

    python trl_sft.py --model DIR --data FILE.parquet --out OUT.json --batch 1 --accumulate 4 --steps 1

TRL is given what it needs to be right for this model: the image-only processor (torchvision is not there), prompts
without the `<image>` marker (it would show the picture twice), `accepts_loss_kwargs` on the model (else gradient
accumulation averages micro-batches), and a template without the line break after the last `<|im_end|>`, which it would
train on.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet
import torch
import transformers
from datasets import Dataset, Features, Image, List, Value
from trl import SFTConfig, SFTTrainer

from viscodex.model.processor import load_processor


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Prompt, completion and pictures of each row."""
    rows = []
    for record in pyarrow.parquet.read_table(path).to_pylist():
        asked, answered = record["messages"]
        text = asked["content"].replace("<image>", "")
        rows.append(
            {
                "prompt": [{"role": "user", "content": text}],
                "completion": [{"role": "assistant", "content": answered["content"]}],
                "images": record["images"],
            }
        )
    return rows


def features() -> Any:
    turns = List({"role": Value("string"), "content": Value("string")})
    return Features({"prompt": turns, "completion": turns, "images": List(Image())})


class Watch(transformers.TrainerCallback):
    """The time of every step's end, and the losses."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.cpu: list[float] = []
        self.losses: list[float] = []

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.times.append(time.monotonic())
        self.cpu.append(time.process_time())

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.times.append(time.monotonic())
        self.cpu.append(time.process_time())

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if logs and "loss" in logs:
            self.losses.append(logs["loss"])


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("model", "data", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--lr", type=float, default=1e-5)
    parser.add_argument("--max-pixels", type=int, default=50176)
    parser.add_argument("--as-it-comes", action="store_true", help="without accepts_loss_kwargs")
    parser.add_argument("--checkpointing", action="store_true")
    options = parser.parse_args()

    torch.manual_seed(0)
    model = transformers.AutoModelForImageTextToText.from_pretrained(options.model, dtype=torch.float32)
    model.model.visual.requires_grad_(False)
    if not options.as_it_comes:
        model.accepts_loss_kwargs = True
    processor = load_processor(options.model, max_pixels=options.max_pixels)
    end = "{{- '<|im_end|>\\n' -}}"
    assert end in processor.chat_template
    processor.chat_template = processor.chat_template.replace(
        end, "{{- '<|im_end|>' -}}{%- if not loop.last or message['role'] != 'assistant' -%}{{- '\\n' -}}{%- endif -%}"
    )
    watch = Watch()
    config = SFTConfig(
        output_dir=str(options.out) + ".run",
        per_device_train_batch_size=options.batch,
        gradient_accumulation_steps=options.accumulate,
        max_steps=options.steps,
        learning_rate=options.lr,
        lr_scheduler_type="constant",
        max_length=None,
        completion_only_loss=True,
        gradient_checkpointing=options.checkpointing,
        save_strategy="no",
        report_to="none",
        logging_steps=1,
        logging_nan_inf_filter=False,
        use_cpu=True,
        bf16=False,
        shuffle_dataset=False,
        disable_tqdm=True,
    )
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(rows_of(options.data), features=features()),
        processing_class=processor,
        callbacks=[watch],
    )
    order = torch.utils.data.SequentialSampler
    trainer._get_train_sampler = lambda dataset=None: order(dataset if dataset is not None else trainer.train_dataset)
    trainer.train()
    result = {
        "losses": watch.losses,
        "step_seconds": [b - a for a, b in pairwise(watch.times)],
        "step_cpu": [b - a for a, b in pairwise(watch.cpu)],
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    options.out.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
