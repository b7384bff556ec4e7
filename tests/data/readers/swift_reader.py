"""Run inside ms-swift's environment: its own dataset reader and template on our export. Prints JSON.

ROOT_IMAGE_DIR=EXPORT python swift_reader.py EXPORT/train.jsonl MODEL
"""

from __future__ import annotations

import json
import os
import sys
import types
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "USE_HF": "1", "OMP_NUM_THREADS": "1"}

from swift.dataset import load_dataset
from swift.model import get_model_info_meta
from swift.template import get_template

from viscodex.model.processor import load_processor  # on PIL; AutoProcessor wants torchvision for videos


def stand_in_for_torchvision() -> None:
    """qwen_vl_utils imports it at the top and uses it for videos only."""
    names = ("torchvision", "torchvision.io", "torchvision.transforms")
    top, io, transforms = (sys.modules.setdefault(name, types.ModuleType(name)) for name in names)
    top.io, top.transforms, transforms.InterpolationMode = io, transforms, None  # type: ignore[attr-defined]


def template_of(model: str) -> Any:
    processor = load_processor(model)
    processor.model_info, processor.model_meta = get_model_info_meta(model, model_type="qwen2_5_vl")
    template = get_template(processor, template_type="qwen2_5_vl", max_length=8192)
    template.set_mode("train")
    # Swift writes Qwen's ids down as constants; a tiny tokenizer has its own.
    template.image_token_id = processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    return template


def main(path: str, model: str) -> None:
    data, _ = load_dataset(path, strict=True, load_from_cache_file=False)
    template = template_of(model)
    stand_in_for_torchvision()
    rows = []
    for row in data:
        encoded = template.encode(dict(row))
        grid = encoded.get("image_grid_thw")
        answer = [token for token in encoded["labels"] if token != -100]
        rows.append(
            {
                "pictures": len(row.get("images") or []),
                "grids": [] if grid is None else grid.tolist(),
                "image_tokens": list(encoded["input_ids"]).count(template.image_token_id),
                "answer": template.processor.tokenizer.decode(answer, skip_special_tokens=True).strip("\n"),
                "text": template.processor.tokenizer.decode(encoded["input_ids"]),
            }
        )
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main(*sys.argv[1:])
