"""The files beside the weights: configuration, tokenizer, processor, templates, licence; copied byte for byte."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from viscodex.checkpoint.reader import INDEX, TASK_VECTOR

WEIGHT_FILES = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx")

# What a job writes about its own result; the next job's is another.
OWN_FILES = (
    "README.md",
    "merge.json",
    "merge_report.json",
    "merge_report.html",
    "apply.json",
    "train.json",
    TASK_VECTOR,
    INDEX,
    ".gitattributes",
)

# The one folder of them: the named templates that transformers writes beside chat_template.jinja.
TEMPLATES = "additional_chat_templates"


def copy_side_files(source: Path, folder: Path, without: Collection[str] = OWN_FILES) -> list[str]:
    """Copy everything but weights, hidden files, folders and `without`; returns the names."""
    copied = []
    for path in sorted(source.iterdir()):
        if not path.is_file() or path.name in without or path.name.startswith("."):
            continue
        if path.suffix in WEIGHT_FILES or path.name.endswith(".index.json"):  # also the index of pickles left behind
            continue
        shutil.copyfile(path, folder / path.name)
        copied.append(path.name)
    for path in sorted((source / TEMPLATES).glob("*.jinja")):
        (folder / TEMPLATES).mkdir(exist_ok=True)
        shutil.copyfile(path, folder / TEMPLATES / path.name)
        copied.append(f"{TEMPLATES}/{path.name}")
    return copied
