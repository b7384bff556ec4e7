"""Run inside LLaMA-Factory's environment: its own dataset reader, template and collator on our export. Prints JSON.

python llamafactory_reader.py EXPORT MODEL DATASET
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

os.environ |= {"DISABLE_VERSION_CHECK": "1", "HF_HUB_OFFLINE": "1", "WANDB_DISABLED": "true", "OMP_NUM_THREADS": "1"}

from transformers import AutoTokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

sys.modules.setdefault("torchaudio", types.ModuleType("torchaudio"))  # imported by the next line, used for audio only
from llamafactory.data import SFTDataCollatorWith4DAttentionMask, get_dataset, get_template_and_fix_tokenizer
from llamafactory.extras.constants import IGNORE_INDEX
from llamafactory.hparams import get_train_args


def settings(export: str, model: str, dataset: str) -> Any:
    chosen = {
        "model_name_or_path": model,
        "dataset": dataset,
        "dataset_dir": export,
        "template": "qwen2_vl",
        "cutoff_len": 8192,
        "output_dir": str(Path(tempfile.gettempdir()) / "llamafactory-out"),
        "overwrite_cache": True,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "full",
        "report_to": "none",
        "use_cpu": True,
    }
    return get_train_args(chosen)


def processor_of(model: str, tokenizer: Any) -> Any:
    """Pictures on PIL: AutoProcessor of this transformers wants torchvision for videos."""
    return types.SimpleNamespace(
        image_processor=Qwen2VLImageProcessorPil.from_pretrained(model),
        tokenizer=tokenizer,
        image_max_pixels=768 * 768,
        image_min_pixels=32 * 32,
        video_fps=2.0,
    )


def main(export: str, model: str, dataset: str) -> None:
    model_args, data_args, training_args, _, _ = settings(export, model, dataset)
    tokenizer = AutoTokenizer.from_pretrained(model)
    processor = processor_of(model, tokenizer)
    template = get_template_and_fix_tokenizer(tokenizer, data_args)
    parts = get_dataset(
        template, model_args, data_args, training_args, stage="sft", tokenizer=tokenizer, processor=processor
    )
    collate = SFTDataCollatorWith4DAttentionMask(
        template=template, model=None, tokenizer=tokenizer, processor=processor, label_pad_token_id=IGNORE_INDEX
    )
    pad = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    rows = []
    for row in parts["train_dataset"]:
        batch = collate([dict(row)])
        grids = batch["image_grid_thw"].tolist() if row["images"] else []
        answer = [token for token in row["labels"] if token != IGNORE_INDEX]
        rows.append(
            {
                "pictures": len(row["images"] or []),
                "grids": grids,
                "image_tokens": row["input_ids"].count(pad),
                "answer": tokenizer.decode(answer, skip_special_tokens=True).strip("\n"),
                "text": tokenizer.decode(row["input_ids"]),
            }
        )
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main(*sys.argv[1:])
