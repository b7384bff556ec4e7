"""A candidate applied to a loaded model is the merge that would have been written, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.merge.conftest import Merge, recipe_of
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.merge.live import LiveMerge
from viscodex.merge.plan import plan_merge
from viscodex.model.load import load_model
from viscodex.model.tiny import Trio

Tiny = Callable[..., Trio]
CANDIDATES: list[Any] = [0.7, 0.0, 1.0, [0.9, 0.2], {"*self_attn*": 0.5, "*": 0.8}]


def live_merge(trio: Trio, dtype: torch.dtype = torch.bfloat16, **settings: Any) -> LiveMerge:
    return LiveMerge(plan_merge(recipe_of(trio, **settings), None), load_model(trio.vlm, dtype), threads=2)


def state_of(live: LiveMerge) -> dict[str, torch.Tensor]:
    return {work.step.key: parameter.detach().clone() for work, parameter in live._targets}


@pytest.mark.parametrize(
    ("family", "tied"), [("qwen2_5_vl", False), ("qwen2_5_vl", True), ("llava_onevision", False), ("idefics3", False)]
)
def test_a_switch_gives_what_a_written_merge_gives(tiny: Tiny, merge: Merge, family: str, tied: bool) -> None:
    trio = tiny(family, tied=tied)
    model = load_model(trio.vlm)
    with LiveMerge(plan_merge(recipe_of(trio, lam=0.7), None), model, threads=2) as live:
        for lam in [*CANDIDATES, 0.7]:
            live.apply(recipe_of(trio, lam=lam))
            written = load_model(merge(trio, lam=lam)).state_dict()
            for name, tensor in model.state_dict().items():
                assert torch.equal(tensor, written[name]), (lam, name)


@pytest.mark.parametrize("method", ["slerp", "ties", "dare_ties", "della", "breadcrumbs"])
def test_also_by_methods_that_measure_or_drop(tiny: Tiny, merge: Merge, method: str) -> None:
    trio = tiny()
    model = load_model(trio.vlm)
    with LiveMerge(plan_merge(recipe_of(trio, method=method, lam=0.7), None), model) as live:
        for lam in (0.3, 0.8):
            live.apply(recipe_of(trio, method=method, lam=lam))
            written = load_model(merge(trio, method=method, lam=lam)).state_dict()
            assert all(torch.equal(tensor, written[name]) for name, tensor in model.state_dict().items())


def test_several_experts_and_the_base(tiny: Tiny, merge: Merge) -> None:
    """Weights that do not sum to 1: the base takes part."""
    trio, other = tiny(), tiny(seed=5)
    settings: dict[str, Any] = {"code": [str(trio.code), str(other.code)], "weights": [0.7, 0.4, 0.2]}
    with live_merge(trio, **settings) as live:
        live.apply(recipe_of(trio, **settings | {"weights": [0.5, 0.1, 0.3]}))
        live.apply(recipe_of(trio, **settings))
        written = load_model(merge(trio, **settings)).state_dict()
        found = state_of(live)
        assert torch.equal(found["lm_head.weight"], written["lm_head.weight"])
        assert torch.equal(
            found["model.layers.1.mlp.up_proj.weight"],
            written["model.language_model.layers.1.mlp.up_proj.weight"],
        )


def test_a_model_in_another_format_holds_the_merges_values(tiny: Tiny, merge: Merge) -> None:
    trio = tiny()
    with live_merge(trio, torch.float32, lam=0.7) as live:
        live.apply(recipe_of(trio, lam=0.7))
        written = load_model(merge(trio, lam=0.7)).state_dict()["lm_head.weight"]
        assert torch.equal(state_of(live)["lm_head.weight"], written.float())


def test_what_stays_the_same_is_not_done_again(tiny: Tiny) -> None:
    trio = tiny()
    with live_merge(trio, lam=0.7) as live:
        first = live.apply(recipe_of(trio, lam=0.7))
        assert live.apply(recipe_of(trio, lam=0.7)).tensors == 0
        changed = live.apply(recipe_of(trio, lam={"layers.1.*": 0.6, "*": 0.7}))
        assert 0 < changed.tensors < first.tensors
        assert changed.read == 2 * changed.written


def test_methods_without_weights_are_refused(tiny: Tiny) -> None:
    with pytest.raises(UsageError, match="nothing to search"):
        live_merge(tiny(), method="metagpt")


def test_another_model_is_refused(tiny: Tiny) -> None:
    plan = plan_merge(recipe_of(tiny(), lam=0.7), None)
    with pytest.raises(VisCodexError, match="another backbone"):
        LiveMerge(plan, load_model(tiny(hidden=96).vlm))
