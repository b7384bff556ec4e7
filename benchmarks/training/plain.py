"""The loop one writes first: a sample at a time through the model's own loss, gradients accumulated, AdamW.

It weighs tokens rightly (each loss times its answer's tokens), which many such loops do not.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
import transformers

from viscodex.model.processor import load_processor
from viscodex.model.supervised import answer_mask
from viscodex.train.encode import Encoder
from viscodex.train.sources import open_sources

from rows import MAX_PIXELS  # isort: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("model", "data", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--samples", type=int, required=True)
    options = parser.parse_args()
    model = transformers.AutoModelForImageTextToText.from_pretrained(options.model, dtype=torch.float32)
    model.model.visual.requires_grad_(False)
    model.train()
    processor = load_processor(options.model, max_pixels=MAX_PIXELS)
    encoder = Encoder(processor)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5, weight_decay=0.0)
    rows = list(open_sources([str(options.data)])[0].rows())
    losses, seconds, cpu = [], [], []
    for start in range(0, len(rows), options.samples):
        began, begun = time.monotonic(), time.process_time()
        total = answers = 0.0
        for row in rows[start : start + options.samples]:
            pictures = [picture.image().load() for picture in row.pictures]
            inputs = processor(text=[encoder.render(row)], images=pictures or None, return_tensors="pt")
            mask = torch.tensor([answer_mask(inputs["input_ids"][0].tolist(), processor.tokenizer)])
            labels = inputs["input_ids"].masked_fill(~mask, -100)
            count = int(mask.sum())
            loss = model(**inputs, labels=labels).loss * count
            loss.backward()
            total, answers = total + float(loss.detach()), answers + count
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.grad /= answers
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(total / answers)
        seconds.append(time.monotonic() - began)
        cpu.append(time.process_time() - begun)
    options.out.write_text(json.dumps({"losses": losses, "step_seconds": seconds, "step_cpu": cpu}))


if __name__ == "__main__":
    main()
