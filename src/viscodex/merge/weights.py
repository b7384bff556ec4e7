"""How much of each model goes into each tensor: one number, anchors over the layers, or name patterns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

Number = float
Anchors = list[float]
Patterns = dict[str, float | list[float]]
Weight = float | Anchors | Patterns

_LAYER = re.compile(r"^model\.layers\.(\d+)\.")


def weight_of(weight: Weight, key: str, layers: int) -> float | None:
    """The value of a weight for a backbone key; None when it is a table of patterns and none matches.

    Anchors lie evenly over the depth, first layer to last, with straight lines between them; the embedding takes the
    first, the final norm and lm_head the last. Patterns are tried in the order written, against the key with and
    without its leading `model.`; the first match wins.
    """
    if isinstance(weight, dict):
        for pattern, value in weight.items():
            if fnmatchcase(key, pattern) or fnmatchcase(key.removeprefix("model."), pattern):
                return weight_of(value, key, layers)
        return None
    if isinstance(weight, list):
        return _interpolate(weight, _depth(key, layers))
    return float(weight)


def model_weights(
    lam: Weight | None, weights: Sequence[Weight] | None, code_models: int, key: str, layers: int
) -> list[float]:
    """Weights of the VLM and of each code model for one key.

    With `lam` the code models share 1 − λ, equally or in the ratio of `weights`; without it `weights` are all of them,
    the VLM's first, and need not sum to 1. Raises KeyError where a table of patterns does not cover the key.
    """
    values = [_required(weight, key, layers) for weight in weights or []]
    if lam is None:
        return values
    share = _required(lam, key, layers)
    rest = 1.0 - share
    if not values:
        return [share, *([rest / code_models] * code_models)]
    total = sum(values)
    return [share, *(rest * value / total for value in values)]


def _required(weight: Weight, key: str, layers: int) -> float:
    value = weight_of(weight, key, layers)
    if value is None:
        raise KeyError(key)
    return value


def _depth(key: str, layers: int) -> float:
    """0 at the first layer and the embedding, 1 at the last layer, the final norm and the head."""
    match = _LAYER.match(key)
    if match:
        return int(match[1]) / max(layers - 1, 1)
    return 0.0 if key.startswith("model.embed_tokens.") else 1.0


def _interpolate(anchors: Sequence[float], depth: float) -> float:
    position = depth * (len(anchors) - 1)
    left = min(int(position), len(anchors) - 1)
    right = min(left + 1, len(anchors) - 1)
    share = position - left
    return anchors[left] if share == 0 else anchors[left] * (1 - share) + anchors[right] * share
