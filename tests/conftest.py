"""What every test may rely on: no network, no display, a clean console, and tiny real checkpoints to read."""

from __future__ import annotations

import os

# Before anything of transformers, matplotlib or torch is imported.
os.environ |= {"HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg", "TOKENIZERS_PARALLELISM": "false"}
os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from viscodex.core import console

if TYPE_CHECKING:
    from viscodex.core.sample import Sample
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


@pytest.fixture(scope="session")
def taught(tiny: Callable[..., Trio], tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sample], Path]:
    """`taught(sample)`: a tiny VLM that has learnt to answer this sample with its response, word for word (seconds)."""
    learnt: dict[str, Path] = {}

    def teach(sample: Sample) -> Path:
        key = sample.model_dump_json()
        if key not in learnt:
            folder = tmp_path_factory.mktemp("taught") / "vlm"
            shutil.copytree(tiny(layout="memory", shards=1).vlm, folder)
            _memorise(folder, sample)
            learnt[key] = folder
        return learnt[key]

    return teach


def _memorise(folder: Path, sample: Sample) -> None:
    import torch
    from safetensors.torch import save_file

    from viscodex.model.load import load_model
    from viscodex.model.questions import Asker

    asker, model = Asker(folder), load_model(folder, torch.float32)
    inputs = asker.tensors(asker.questions(sample, 1))
    answer = asker.tokenizer(sample.response + "<|im_end|>", return_tensors="pt").input_ids
    before = inputs["input_ids"].shape[1]
    for name, extra in (("input_ids", answer), ("attention_mask", torch.ones_like(answer))):
        inputs[name] = torch.cat([inputs[name], extra], dim=1)
    inputs["mm_token_type_ids"] = torch.nn.functional.pad(inputs["mm_token_type_ids"], (0, answer.shape[1]))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(400):
        logits = model(**inputs).logits[:, before - 1 : -1].flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(logits, answer.flatten())
        if loss < 0.01:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.01, f"not learnt: {loss}"
    weights = {name: value.bfloat16().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
