"""The merge methods: each a pure function on arrays, with its equation and source.

Symbols: θᵢ the tuned models (the VLM first, then the code models), θ_b their base, τᵢ = θᵢ − θ_b the task vectors,
wᵢ the weights. All functions take numpy arrays or torch tensors. Weighted sums are done in float64 and rounded once
to float32; everything else is float32. See docs/merge.md, "precision".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from viscodex.merge import sparse
from viscodex.merge.block import Array, Block, BlockStream, as_float64, namespace
from viscodex.merge.kernel import Thinning
from viscodex.merge.statistics import Gram, gram_of
from viscodex.merge.wudi import wudi


def weighted_sum(arrays: Sequence[Array], coefficients: Sequence[float]) -> Array:
    """Σ cᵢ xᵢ in float64. Terms with cᵢ = 0 are left out, so that one model with c = 1 comes back bit for bit."""
    total: Array | None = None
    for array, coefficient in zip(arrays, coefficients, strict=True):
        if coefficient == 0.0:
            continue
        term = as_float64(array)
        if coefficient != 1.0:
            term *= coefficient
        if total is None:
            total = term
        else:
            total += term
    return namespace(arrays[0]).zeros_like(as_float64(arrays[0])) if total is None else total


def task_arithmetic(weights: Sequence[float], gram: Gram | None = None) -> tuple[float, list[float]]:
    """θ = θ_b + Σ wᵢ τᵢ = (1 − Σ wᵢ) θ_b + Σ wᵢ θᵢ: coefficients of the base and of each model.

    With VisCodex's weights λ, 1 − λ the base cancels and is not read (arXiv 2212.04089; VisCodex, section 3.1).
    """
    rest = 1.0 - math.fsum(weights)
    return (0.0 if abs(rest) < 1e-12 else rest), list(weights)


def linear(weights: Sequence[float], gram: Gram | None = None) -> tuple[float, list[float]]:
    """θ = Σ wᵢ θᵢ / Σ wᵢ, the weighted average (model soups, arXiv 2203.05482)."""
    total = math.fsum(weights)
    if abs(total - 1.0) < 1e-12:
        return 0.0, list(weights)
    return 0.0, [w / total for w in weights]


def replace(weights: Sequence[float], gram: Gram | None = None) -> tuple[float, list[float]]:
    """θ = θ_code: the backbone is exchanged for the code model's (VisCodex's "replace" baseline)."""
    return 0.0, [0.0, 1.0] + [0.0] * (len(weights) - 2)


def slerp(weights: Sequence[float], gram: Gram | None = None) -> tuple[float, list[float]]:
    """θ = sin(λΩ)/sin Ω · θ_vlm + sin((1−λ)Ω)/sin Ω · θ_code, Ω the angle between the two tensors (Shoemake 1985).

    `gram` holds inner products of the models themselves. Nearly parallel tensors are interpolated linearly.
    """
    assert gram is not None and len(weights) == 2
    lam = weights[0] / math.fsum(weights)
    norms = math.sqrt(gram[0, 0] * gram[1, 1])
    cosine = gram[0, 1] / norms if norms > 0 else 1.0
    if abs(cosine) > 0.9995 or lam in (0.0, 1.0):
        return 0.0, [lam, 1.0 - lam]
    omega = math.acos(cosine)
    return 0.0, [math.sin(lam * omega) / math.sin(omega), math.sin((1 - lam) * omega) / math.sin(omega)]


def model_stock(weights: Sequence[float], gram: Gram | None = None) -> tuple[float, list[float]]:
    """θ = t · mean(θᵢ) + (1 − t) θ_b with t = N cos φ / (1 + (N − 1) cos φ) (Model Stock, arXiv 2403.19522).

    cos φ is the mean cosine between the task vectors of one tensor; t is kept within [0, 1].
    """
    assert gram is not None
    n = len(weights)
    pairs = [(i, j) for i in range(n) for j in range(i)]
    norms = [math.sqrt(max(gram[i, i], 0.0)) for i in range(n)]
    cosines = [gram[i, j] / (norms[i] * norms[j]) if norms[i] * norms[j] > 0 else 0.0 for i, j in pairs]
    cosine = sum(cosines) / len(cosines)
    t = min(max(n * cosine / (1 + (n - 1) * cosine), 0.0), 1.0) if cosine > 0 else 0.0
    return 1.0 - t, [t / n] * n


def metagpt(weights: Sequence[float], gram: Gram | None = None) -> tuple[float, list[float]]:
    """θ = θ_b + Σ λᵢ τᵢ with λᵢ = ‖τᵢ‖² / Σ ‖τₖ‖² over the whole backbone (MetaGPT, arXiv 2406.11385, closed form).

    `metagpt_layerwise` takes the sums over each tensor instead.
    """
    assert gram is not None
    squares = [float(gram[i, i]) for i in range(len(weights))]
    total = math.fsum(squares)
    return task_arithmetic([s / total for s in squares] if total > 0 else [1.0 / len(weights)] * len(weights))


def uncorrelated(weights: Sequence[float], gram: Gram | None = None) -> tuple[float, list[float]]:
    """θ = θ_b + Σ cᵢ τᵢ, every τᵢ kept in full along its own direction: ⟨Σ cⱼ τⱼ, τᵢ⟩ = ‖τᵢ‖² for all i (ours).

    Solved for each tensor from norms and cosines. Task vectors at right angles are added whole (c = 1), equal ones
    count once (c = 1/n), opposed ones would grow without end: c is kept within [0, 1].
    """
    assert gram is not None
    norms = np.sqrt(np.maximum(np.diag(gram), 0.0))
    if not norms.any():
        return task_arithmetic([0.0] * len(weights))
    scale = np.where(norms > 0, norms, 1.0)
    cosines = gram / np.outer(scale, scale) + 1e-6 * np.eye(len(weights))  # of two equal vectors, half each
    solved = np.linalg.solve(cosines, norms) / scale
    return task_arithmetic([min(max(float(c), 0.0), 1.0) for c in solved])


Coefficients = Callable[[Sequence[float], Gram | None], tuple[float, list[float]]]
NeedsBase = Literal["never", "unless weights sum to 1", "always"]


@dataclass(frozen=True)
class Method:
    """How the engine runs a method.

    `combine(block, weights, stats, options)` gives the merged values of a block. `measure(stream, options)` reads the
    tensor first (or, with scope "model", the whole backbone), as numpy arrays, and gives `stats`. `whole`: blocks are
    whole weight matrices. `coefficients` is there when the method is a weighted sum, `thinning(stats, options, keys)`
    when it thins task vectors in a way the compiled kernel knows: these need no floats in between.
    """

    combine: Callable[[Block, Sequence[float], Any, Mapping[str, float]], Array]
    coefficients: Coefficients | None = None
    thinning: Callable[[Any, Mapping[str, float], Sequence[int]], Thinning] | None = None
    needs_base: NeedsBase = "always"
    measure: Callable[[BlockStream, Mapping[str, float]], Any] | None = None
    scope: Literal["tensor", "model"] = "tensor"
    whole: bool = False
    uses_weights: bool = True
    most_models: int | None = None
    options: Mapping[str, float] = field(default_factory=dict)


def _weighted(coefficients: Coefficients, needs_base: NeedsBase = "always", **settings: Any) -> Method:
    """A method that is a weighted sum with these coefficients."""

    def combine(block: Block, weights: Sequence[float], stats: Gram | None, options: Mapping[str, float]) -> Array:
        of_base, of_tuned = coefficients(weights, stats)
        if of_base == 0.0:
            return weighted_sum(block.tuned, of_tuned)
        assert block.base is not None
        return weighted_sum([*block.tuned, block.base], [*of_tuned, of_base])

    return Method(combine, coefficients, needs_base=needs_base, **settings)


def gram_of_tasks(stream: BlockStream, options: Mapping[str, float]) -> Gram:
    """Inner products ⟨τᵢ, τⱼ⟩ over a stream of blocks, (n, n) in float64."""
    return _gram(block.tasks() for block in stream())


def gram_of_models(stream: BlockStream, options: Mapping[str, float]) -> Gram:
    """Inner products ⟨θᵢ, θⱼ⟩ over a stream of blocks, (n, n) in float64."""
    return _gram(block.tuned for block in stream())


def _gram(rows: Iterable[Sequence[Array]]) -> Gram:
    return sum((gram_of(arrays) for arrays in rows), start=np.zeros(()))


METHODS: dict[str, Method] = {
    "task_arithmetic": _weighted(task_arithmetic, "unless weights sum to 1"),
    "linear": _weighted(linear, "never"),
    "replace": _weighted(replace, "never", uses_weights=False, most_models=2),
    "slerp": _weighted(slerp, "never", measure=gram_of_models, most_models=2),
    "model_stock": _weighted(model_stock, measure=gram_of_tasks, uses_weights=False),
    "metagpt": _weighted(metagpt, measure=gram_of_tasks, scope="model", uses_weights=False),
    "metagpt_layerwise": _weighted(metagpt, measure=gram_of_tasks, uses_weights=False),
    "uncorrelated": _weighted(uncorrelated, measure=gram_of_tasks, uses_weights=False),
    "ties": Method(
        sparse.ties,
        thinning=sparse.ties_thinning,
        measure=sparse.trim_thresholds,
        options={"density": 0.2, "scale": 1.0},
    ),
    "dare_linear": Method(sparse.dare_linear, thinning=sparse.dare_linear_thinning, options={"density": 0.5}),
    "dare_ties": Method(sparse.dare_ties, thinning=sparse.dare_ties_thinning, options={"density": 0.5, "scale": 1.0}),
    "della": Method(sparse.della, options={"density": 0.5, "epsilon": 0.2, "scale": 1.0}),
    "breadcrumbs": Method(
        sparse.breadcrumbs, measure=sparse.breadcrumb_thresholds, options={"density": 0.9, "gamma": 0.01}
    ),
    "sce": Method(
        sparse.sce, measure=sparse.sce_statistics, uses_weights=False, options={"density": 0.2, "scale": 1.0}
    ),
    "wudi": Method(wudi, whole=True, uses_weights=False, options={"steps": 50, "scale": 1.0}),
}
