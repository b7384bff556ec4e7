"""Pocket VisCodex: the whole of the paper at the size of a laptop. Its trained models come with the package.

weights("viscodex-pocket") → the folder of the merged and fine-tuned model; also vlm, code and base
"""

from __future__ import annotations

from pathlib import Path

from viscodex.core.errors import UsageError, did_you_mean
from viscodex.core.rundir import read_json

SHIPPED = ("viscodex-pocket", "vlm", "code", "base")
FOLDER = Path(__file__).parent / "weights"


def weights(name: str = "viscodex-pocket") -> Path:
    """The folder of a pocket model that came with viscodex; a checkpoint like any other."""
    if name not in SHIPPED:
        raise UsageError(f'no pocket model "{name}"', hint=did_you_mean(name, SHIPPED))
    folder = FOLDER / name
    if not (folder / "config.json").is_file():
        raise UsageError(f"the pocket model {name} is not here", str(folder), "viscodex pocket build --out DIR")
    return folder


def chosen_lambda() -> float:
    """The λ that the shipped model was merged with."""
    return float(read_json(FOLDER / "build.json")["lambda"])
