"""Inspection measures what it says, on tensors whose answer is known."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from tests.merge.test_laws import copied
from viscodex.cli import app
from viscodex.merge.inspect import inspect
from viscodex.merge.statistics import place_of
from viscodex.model.tiny import Trio

Tiny = Callable[..., Trio]
KEY = "model.layers.1.mlp.up_proj.weight"


def test_measures_equal_direct_computation(tiny: Tiny) -> None:
    trio = tiny(shards=1)
    found = inspect(str(trio.vlm), str(trio.code), str(trio.base), top_share=0.05).tensors[KEY].measures()
    vlm, code, base = (
        load_file(p / "model.safetensors")[KEY].double().numpy().ravel() for p in (trio.vlm, trio.code, trio.base)
    )
    a, b = vlm - base, code - base
    assert found["‖τ_vlm‖ / ‖θ‖"] == pytest.approx(np.linalg.norm(a) / np.linalg.norm(base), rel=1e-6)
    assert found["cosine of τ_vlm, τ_code"] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-6)
    assert found["sign conflicts"] == pytest.approx(((a > 0) != (b > 0))[(a != 0) & (b != 0)].mean(), abs=1e-9)
    count = math.ceil(0.05 * a.size)
    large = [np.abs(x) >= np.sort(np.abs(x))[-count] for x in (a, b)]
    assert found["overlap of the largest"] == pytest.approx((large[0] & large[1]).sum() / max(m.sum() for m in large))


@pytest.mark.parametrize(("sign", "cosine", "conflicts"), [(1.0, 1.0, 0.0), (-1.0, -1.0, 1.0)])
def test_equal_and_opposed_task_vectors(
    tiny: Tiny, tmp_path: Path, sign: float, cosine: float, conflicts: float
) -> None:
    trio = copied(tiny(shards=1), tmp_path)
    vlm, base, code = (load_file(p / "model.safetensors") for p in (trio.vlm, trio.base, trio.code))
    change = torch.full_like(base[KEY], 0.5)
    base[KEY] = torch.ones_like(base[KEY])
    vlm[KEY], code[KEY] = base[KEY] + change, base[KEY] + sign * change
    for path, tensors in ((trio.vlm, vlm), (trio.base, base), (trio.code, code)):
        save_file(tensors, path / "model.safetensors")
    found = inspect(str(trio.vlm), str(trio.code), str(trio.base)).tensors[KEY].measures()
    assert found["cosine of τ_vlm, τ_code"] == pytest.approx(cosine)
    assert found["sign conflicts"] == conflicts
    assert found["‖τ_code‖ / ‖θ‖"] == pytest.approx(0.5)


def test_without_a_base_the_models_are_compared(tiny: Tiny) -> None:
    trio = tiny()
    same = inspect(str(trio.vlm), str(trio.vlm)).all.measures()
    assert same["‖θ_code − θ_vlm‖ / ‖θ_vlm‖"] == 0.0
    assert same["cosine of θ_vlm, θ_code"] == pytest.approx(1.0)


def test_threads_do_not_change_the_numbers(tiny: Tiny) -> None:
    trio = tiny(vocab_size=40_000)
    one, four = (inspect(str(trio.vlm), str(trio.code), str(trio.base), threads=n).as_json() for n in (1, 4))
    assert one == four


def test_command_line_gives_table_json_and_page(tiny: Tiny, tmp_path: Path) -> None:
    trio, page = tiny(), tmp_path / "pages" / "page.html"
    arguments = ["merge", "inspect", str(trio.vlm), str(trio.code), "--base", str(trio.base)]
    table = CliRunner().invoke(app, [*arguments, "--html", str(page)])
    assert table.exit_code == 0
    assert "attention" in table.stdout
    values = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert len(values["tensors"]) == 27
    assert {row["layer"] for row in values["layers"]} == {None, 0, 1}
    html = page.read_text()
    assert html.count("<table>") == len(values["all"])
    assert 'title="layer 1, q: ' in html


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("model.layers.3.self_attn.q_proj.weight", (3, "q")),
        ("model.layers.3.self_attn.k_proj.bias", (3, "k bias")),
        ("model.layers.0.post_attention_layernorm.weight", (0, "post attention norm")),
        ("model.layers.12.mlp.down_proj.weight", (12, "down")),
        ("model.embed_tokens.weight", (None, "embedding")),
        ("lm_head.weight", (None, "lm_head")),
    ],
)
def test_places(key: str, place: tuple[int | None, str]) -> None:
    assert place_of(key) == place
