"""JSON lines and picture files for LLaMA-Factory and ms-swift: both read `messages` with `<image>`, and `images`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from viscodex.core.row import Row
from viscodex.core.rundir import write_json
from viscodex.data.exports.files import Lines, write_pictures


class Swift:
    """`SPLIT.jsonl` and `images/`; paths are relative to the folder, so that it can be moved: `ROOT_IMAGE_DIR=OUT`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.lines = Lines(folder)

    def write(self, row: Row) -> None:
        facts = {"id": row["id"], "category": row["category"], "messages": row["messages"]}
        self.lines.write(row["split"], {**facts, "images": write_pictures(self.folder, row)})

    def close(self) -> None:
        self.lines.close()


class LlamaFactory:
    """The same, and `dataset_info.json`, which names the sets NAME_SPLIT: `dataset_dir: OUT`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.chat = Swift(folder, name)
        self.write = self.chat.write

    def close(self) -> None:
        info = {f"{self.name}_{split}": _dataset(split) for split in self.chat.lines.close()}
        write_json(self.chat.folder / "dataset_info.json", info)


def _dataset(split: str) -> dict[str, Any]:
    """How LLaMA-Factory is told about a file of OpenAI-like messages."""
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    return {
        "file_name": f"{split}.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "images": "images"},
        "tags": tags,
    }
