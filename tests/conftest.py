"""What every test may rely on: no network, no display, a clean console, and GPU tests skipped where there is none."""

from __future__ import annotations

import os

# Before anything of transformers, matplotlib or torch is imported.
os.environ |= {"HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg", "TOKENIZERS_PARALLELISM": "false"}
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from viscodex.core import console

REPOSITORY = Path(__file__).parent.parent

hypothesis.settings.register_profile("house", deadline=None, print_blob=True)  # a busy machine is not a failure
hypothesis.settings.load_profile("house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if not for_gpu:
        return
    import torch

    if not torch.cuda.is_available():
        for item in for_gpu:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(autouse=True)
def _console_as_new() -> Iterator[None]:
    console.configure()
    yield
    console.configure()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY
