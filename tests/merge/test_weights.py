"""λ by number, by anchors over the depth, by name pattern; several code models."""

from __future__ import annotations

import pytest

from viscodex.merge.weights import Weight, model_weights, weight_of

LAYERS = 5


def key(layer: int, module: str = "mlp.up_proj") -> str:
    return f"model.layers.{layer}.{module}.weight"


@pytest.mark.parametrize(
    ("anchors", "expected"),
    [
        ([0.8], [0.8, 0.8, 0.8, 0.8, 0.8]),
        ([0.0, 1.0], [0.0, 0.25, 0.5, 0.75, 1.0]),
        ([0.9, 0.5, 0.9], [0.9, 0.7, 0.5, 0.7, 0.9]),
    ],
)
def test_anchors_lie_evenly_over_the_depth(anchors: list[float], expected: list[float]) -> None:
    found = [weight_of(anchors, key(layer), LAYERS) for layer in range(LAYERS)]
    assert found == pytest.approx(expected, abs=1e-15)


def test_tensors_outside_the_layers_take_the_ends() -> None:
    names = ("model.embed_tokens.weight", "model.norm.weight", "lm_head.weight")
    assert [weight_of([0.2, 0.8], name, LAYERS) for name in names] == [0.2, 0.8, 0.8]


def test_the_first_matching_pattern_wins() -> None:
    weight: Weight = {"layers.1.*": 0.1, "*.mlp.*": [0.0, 1.0], "model.norm.*": 0.3, "*": 0.7}
    assert weight_of(weight, key(1), LAYERS) == 0.1
    assert weight_of(weight, key(2), LAYERS) == 0.5
    assert weight_of(weight, "model.norm.weight", LAYERS) == 0.3
    assert weight_of(weight, key(2, "self_attn.q_proj"), LAYERS) == 0.7
    assert weight_of({"*.mlp.*": 0.5}, "lm_head.weight", LAYERS) is None


@pytest.mark.parametrize(
    ("lam", "weights", "code_models", "expected"),
    [
        (0.7, None, 1, [0.7, 1.0 - 0.7]),
        (0.7, None, 2, [0.7, (1.0 - 0.7) / 2, (1.0 - 0.7) / 2]),
        (0.6, [3.0, 1.0], 2, [0.6, 0.3, 0.1]),
        (None, [1.0, 0.5], 1, [1.0, 0.5]),
    ],
)
def test_shares_of_the_models(
    lam: float | None, weights: list[Weight] | None, code_models: int, expected: list[float]
) -> None:
    assert model_weights(lam, weights, code_models, key(0), LAYERS) == pytest.approx(expected, abs=1e-15)
