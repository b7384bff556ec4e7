"""Values that are no numbers: found in every part of every model, by every method, and blamed on the right file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.merge.bench import Bench, snapshot
from viscodex.merge.arithmetic import METHODS

UP = "model.layers.1.mlp.up_proj.weight"
VISION = "visual.blocks.1.mlp.up_proj.weight"
MERGER = "visual.merger.mlp.0.weight"
EMBEDDING = "model.embed_tokens.weight"
BAD = {"NaN": float("nan"), "Inf": float("inf"), "−Inf": float("-inf")}
PLACES = [
    ("vlm", UP, None),
    ("vlm", VISION, None),
    ("vlm", MERGER, None),
    ("code", UP, None),
    ("vlm", VISION, torch.float16),
    ("vlm", UP, torch.float32),
    ("code", UP, torch.float16),
    ("code", UP, torch.float32),
    ("code", UP, torch.float64),
]


def put(bench: Bench, role: str, name: str, value: float, dtype: Any = None, place: float = 0.5) -> None:
    """Set one element of a tensor (`place` 0 is the first, 1 the last); change the model's format first."""

    def change(tensors: dict[str, Any]) -> None:
        for key in list(tensors) if dtype else ():
            tensors[key] = tensors[key].to(dtype)
        flat = tensors[name].flatten()
        flat[int(place * (flat.numel() - 1))] = value
        tensors[name] = flat.reshape(tensors[name].shape)

    bench.tensors(role, change)


def use(bench: Bench, method: str, lam: str = "0.7") -> None:
    """Run a method with what it needs."""
    path = bench.folder / "own.toml"
    path.write_text(f'method = "{method}"\n' + (f"lambda = {lam}\n" if METHODS[method].uses_weights else ""))
    bench.recipe = str(path)
    bench.settings["base"] = str(bench.base)


def blames(text: str, bench: Bench, role: str, name: str) -> bool:
    file = bench.folder / role / "model.safetensors"
    return f"NaN or Inf in the {role}\n  where: {file}: {name}\n" in text


@pytest.mark.parametrize(("role", "name", "dtype"), PLACES)
@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
def test_in_every_part_and_format(bench, refused, role, name, dtype, value):
    put(bench, role, name, value, dtype)
    assert blames(refused(), bench, role, name)


@pytest.mark.parametrize("role", ["vlm", "code", "base"])
@pytest.mark.parametrize("method", METHODS)
def test_by_every_method(bench, refused, cli, method, role):
    use(bench, method)
    value = BAD["NaN"] if len(method) % 2 else BAD["−Inf"]
    put(bench, role, UP, value)
    if role == "base" and METHODS[method].needs_base != "always":
        assert cli(bench.arguments()).code == 0  # not read
    else:
        assert blames(refused(), bench, role, UP)


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize(("lam", "role"), [("1.0", "code"), ("0.0", "vlm")])
@pytest.mark.parametrize("method", ["task_arithmetic", "linear", "slerp", "ties"])
def test_in_a_model_that_has_no_weight(bench, refused, monkeypatch, method, lam, role, kernel):
    """It would not show in the result; but a damaged input is said all the same."""
    if not kernel:
        monkeypatch.setattr("viscodex.merge.tensors.library", lambda: None)
    use(bench, method, lam)
    put(bench, role, UP, BAD["Inf"])
    assert blames(refused(), bench, role, UP)


@pytest.mark.parametrize("pattern", [0xFFFFFFFF, 0x7FFFFFFF, 0xFFFF8000, 0x7F800001])
def test_nan_patterns_that_rounding_could_carry_into_zero(bench, refused, pattern):
    """0xFFFFFFFF is what an erased block of a disk holds."""
    bits = torch.tensor([pattern - (1 << 32) if pattern >= 1 << 31 else pattern], dtype=torch.int32)
    put(bench, "code", UP, 0.0, torch.float32)
    bench.tensors("code", lambda t: t[UP].view(torch.int32).view(-1).__setitem__(slice(0, 1), bits))
    assert blames(refused(), bench, "code", UP)


@pytest.fixture
def long_bench(tiny: Any, tmp_path: Path) -> Bench:
    """An embedding of two chunks, so that the bad value is not where the first result comes from."""
    return Bench(Path(shutil.copytree(tiny(vocab_size=17_000, layers=1).vlm.parent, tmp_path / "long")))


MEASURED = [
    (m, r) for m in METHODS if METHODS[m].measure for r in ("vlm", "code", "base") if (m, r) != ("slerp", "base")
]


@pytest.mark.parametrize(("method", "role"), MEASURED)
def test_behind_the_first_chunk_of_a_tensor_that_is_measured(
    long_bench: Bench, cli: Callable[..., Any], method: str, role: str
) -> None:
    use(long_bench, method)
    put(long_bench, role, EMBEDDING, BAD["NaN"], place=1.0)
    before = snapshot(long_bench.folder)
    ended = cli(long_bench.arguments())
    assert ended.code == 1
    assert blames(ended.err, long_bench, role, EMBEDDING)
    assert snapshot(long_bench.folder) == before


def test_no_warning_of_the_arithmetic_reaches_the_user(bench, refused, monkeypatch):
    """Inf − Inf, 0 · Inf and overflow come up on the way to the error."""
    monkeypatch.setattr("viscodex.merge.tensors.library", lambda: None)
    put(bench, "code", UP, BAD["Inf"])
    put(bench, "vlm", UP, BAD["Inf"], torch.float32)
    assert "NaN or Inf in the vlm" in refused()


def test_the_largest_numbers_are_numbers(bench, cli):
    """3.39e38, bfloat16's largest, merges with itself without an overflow in between."""
    for role in ("vlm", "code"):
        put(bench, role, UP, 3.3895313892515355e38)
    assert cli(bench.arguments()).code == 0
