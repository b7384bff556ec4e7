"""Shared by every room: tiny real checkpoints, written once per session and never changed."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before transformers is imported: no test looks for the network
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from viscodex.model.tiny import Trio


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Trio]:
    """`tiny(family="qwen2_5_vl", layout="hub", …)`: the arguments of `write_trio`. The same ones give the same folders.

    Read-only: copy a checkpoint (`shutil.copytree`) before changing it.
    """
    written: dict[Any, Trio] = {}

    def write(family: str = "qwen2_5_vl", **options: Any) -> Trio:
        from viscodex.model.tiny import write_trio

        key = (family, *sorted(options.items()))
        if key not in written:
            written[key] = write_trio(tmp_path_factory.mktemp("tiny") / family, family, **options)
        return written[key]

    return write
