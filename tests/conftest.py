"""What every test may rely on: no network, no display, a clean console, and tiny real checkpoints to read."""

from __future__ import annotations

import os

# Before anything of transformers, matplotlib or torch is imported.
os.environ |= {"HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg", "TOKENIZERS_PARALLELISM": "false"}
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from viscodex.core import console

if TYPE_CHECKING:
    from viscodex.model.tiny import Trio

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
