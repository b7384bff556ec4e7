"""The compiled loops against the numpy code that defines them: not a bit may differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from tests.merge.conftest import Merge
from tests.merge.test_laws import LARGE, copied, settings_of
from viscodex.checkpoint.dtypes import FLOATS, decode, encode
from viscodex.core.errors import VisCodexError
from viscodex.merge import sparse
from viscodex.merge.block import Block
from viscodex.merge.chance import key_of, uniform
from viscodex.merge.kernel import MOST_MODELS, Thinning, library, thinned_sum_bf16
from viscodex.model.tiny import Trio

Tiny = Callable[..., Trio]
Words = np.ndarray[Any, Any]
BF16 = FLOATS["BF16"]

pytestmark = pytest.mark.skipif(library() is None, reason="the kernel was not built: no C compiler at installation")

COMPILED = ("task_arithmetic", "linear", "slerp", "ties", "dare_linear", "dare_ties", "breadcrumbs")


@pytest.mark.parametrize("method", COMPILED)
@pytest.mark.parametrize("shape", [LARGE, {"vocab_size": 512, "code_vocab_size": 448}], ids=["large", "matched rows"])
def test_the_kernel_changes_no_byte_of_the_output(
    tiny: Tiny, merge: Merge, monkeypatch: pytest.MonkeyPatch, method: str, shape: dict[str, int]
) -> None:
    trio = tiny(**shape)
    fast = files(merge(trio, **settings_of(method)))
    monkeypatch.setattr("viscodex.merge.tensors.library", lambda: None)
    assert files(merge(trio, **settings_of(method))) == fast


@pytest.mark.parametrize("method", ["ties", "dare_linear", "dare_ties"])
@pytest.mark.parametrize("models", [1, 2, 3, MOST_MODELS])
@pytest.mark.parametrize("place", [0, 1, 4095])
def test_sparse_methods_give_the_bits_of_numpy(method: str, models: int, place: int) -> None:
    rng = np.random.default_rng(models)
    words = [some_words(rng, 2001) for _ in range(models + 1)]
    words[0][:9] = [0x0000, 0x8000, 0x0001, 0x8001, 0x7F7F, 0xFF7F, 0x0080, 0x3F80, 0xBF80]
    weights, limits = (
        rng.uniform(-0.5, 1, models).tolist(),
        [float(np.float32(x)) for x in rng.uniform(0, 0.03, models)],
    )
    options = {"density": 0.3, "scale": 0.9}
    keys = [key_of(7, "a tensor", i) for i in range(models)]
    stats = limits if method == "ties" else None
    fast, slow = np.empty(2001, np.uint16), np.empty(2001, np.uint16)
    thinning = getattr(sparse, f"{method}_thinning")(stats, options, keys)
    finite = thinned_sum_bf16(words, weights, thinning, place, fast)
    *tuned, base = [decode(w, BF16) for w in words]
    block = Block(tuned, base, (1, 2001), lambda i: uniform(keys[i], place, 2001))
    with np.errstate(over="ignore", invalid="ignore"):
        encode(getattr(sparse, method)(block, weights, stats, options), BF16, slow)
    numbers = (slow & 0x7FFF) <= 0x7F80  # NaNs may differ in their payload
    np.testing.assert_array_equal(fast[numbers], slow[numbers])
    assert ((fast[~numbers] & 0x7FFF) > 0x7F80).all()
    assert finite is bool(((slow & 0x7FFF) < 0x7F80).all())


@pytest.mark.parametrize("bad", [0x7FC0, 0x7F80, 0xFF80], ids=["NaN", "Inf", "-Inf"])
@pytest.mark.parametrize("model", [0, 1, 2])
@pytest.mark.parametrize(
    "thinning", [Thinning(limits=[9.0, 9.0]), Thinning(keys=[1, 2], density=0.01), Thinning(keys=[1, 2], elects=False)]
)
def test_what_is_not_finite_is_seen_even_where_it_is_dropped(bad: int, model: int, thinning: Thinning) -> None:
    rng, out = np.random.default_rng(0), np.empty(600, np.uint16)
    words = [some_words(rng, 600) for _ in range(3)]
    assert thinned_sum_bf16(words, [0.7, 0.3], thinning, 0, out)
    words[model][599] = bad
    assert not thinned_sum_bf16(words, [0.7, 0.3], thinning, 0, out)


@pytest.mark.parametrize("method", ["ties", "dare_ties"])
def test_a_nan_in_an_input_is_refused_by_name(tiny: Tiny, merge: Merge, tmp_path: Path, method: str) -> None:
    trio = copied(tiny(shards=1), tmp_path)
    tensors = load_file(trio.code / "model.safetensors")
    tensors["model.layers.0.mlp.up_proj.weight"][0, 0] = float("nan")
    save_file(tensors, trio.code / "model.safetensors")
    with pytest.raises(VisCodexError, match="NaN or Inf in the code"):
        merge(trio, **settings_of(method))


def some_words(rng: np.random.Generator, count: int) -> Words:
    """bfloat16 words of normal numbers around 0.02, some of them equal."""
    words = np.empty(count, np.uint16)
    encode(rng.normal(0, 0.02, count).astype(np.float32), BF16, words)
    words[:: count // 50] = 0x3C00
    return words


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
