from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train.rows import mixed, write_parquet
from viscodex.model.load import load_model
from viscodex.model.processor import load_processor
from viscodex.model.tiny import Trio, write_trio
from viscodex.train.attention import use_attention
from viscodex.train.batch import Loaded, load
from viscodex.train.encode import Encoder
from viscodex.train.forward import Objective
from viscodex.train.parts import freeze_all_but
from viscodex.train.pictures import Picture
from viscodex.train.sources import Row, Turn

MAX_PIXELS = 64 * 28 * 28


@pytest.fixture(scope="session")
def trio(tmp_path_factory) -> Trio:
    return write_trio(tmp_path_factory.mktemp("models") / "hub")


@pytest.fixture(scope="session")
def memory_trio(tmp_path_factory) -> Trio:
    """The same weights under the names newer savers use."""
    return write_trio(tmp_path_factory.mktemp("models") / "memory", layout="memory")


@pytest.fixture(scope="session")
def encoder(trio) -> Encoder:
    return Encoder(load_processor(trio.vlm, max_pixels=MAX_PIXELS))


@pytest.fixture(scope="session")
def samples(encoder) -> list[Loaded]:
    """Eight samples of mixed lengths; every fourth has no picture."""
    return [load(as_row(record), encoder) for record in mixed(8)]


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    return write_parquet(tmp_path_factory.mktemp("data") / "train.parquet", mixed(48)).parent


def as_row(record: dict[str, Any]) -> Row:
    pictures = tuple(Picture(image["bytes"]) for image in record["images"])
    spoken = tuple(Turn(turn["role"], turn["content"]) for turn in record["messages"])
    return Row(record["id"], record["category"], spoken, pictures)


def objective(folder: Path, parts=("backbone",), **settings: Any) -> Objective:
    """A float32 model with its loss, on the CPU."""
    model = load_model(folder, torch.float32)
    freeze_all_but(model, parts)
    use_attention(model, "auto", torch.device("cpu"))
    return Objective(model, **({"loss_chunk": 64, "checkpointing": False} | settings))


def gradients(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


def furthest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The largest difference, relative to each tensor's own largest value."""
    assert one.keys() == other.keys()
    return max(float((one[n] - other[n]).abs().max() / other[n].abs().max().clamp_min(1e-12)) for n in one)
