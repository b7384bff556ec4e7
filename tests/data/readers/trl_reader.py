"""Run inside TRL's environment: `load_dataset` and TRL's vision collator on our export. Prints JSON.

python trl_reader.py EXPORT MODEL
"""

from __future__ import annotations

import json
import os
import sys

os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}

from datasets import load_dataset
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from viscodex.model.processor import load_processor  # on PIL; AutoProcessor wants torchvision for videos


def main(export: str, model: str) -> None:
    data = load_dataset(export, split="train")
    processor = load_processor(model)
    collate = DataCollatorForVisionLanguageModeling(processor, completion_only_loss=True)
    pad = processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    rows = []
    for example in data:
        pictures, row_id = example["images"], example["id"]
        batch = collate([example])
        tokens = batch["input_ids"][0].tolist()
        answer = [token for token in batch["labels"][0].tolist() if token != -100]
        rows.append(
            {
                "id": row_id,
                "pictures": len(pictures),
                "grids": batch["image_grid_thw"].tolist() if pictures else [],
                "image_tokens": tokens.count(pad),
                "answer": processor.tokenizer.decode(answer, skip_special_tokens=True).strip("\n"),
                "text": processor.tokenizer.decode(tokens),
            }
        )
    together = collate([data[number] for number in range(len(data))])  # rows with and without pictures in one batch
    print(json.dumps({"rows": rows, "batch_image_tokens": int((together["input_ids"] == pad).sum())}))


if __name__ == "__main__":
    main(*sys.argv[1:])
