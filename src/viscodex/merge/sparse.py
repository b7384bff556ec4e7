"""Methods that drop parts of the task vectors before adding them: TIES, DARE, DELLA, Breadcrumbs, SCE.

`density` is the share of elements kept, `scale` the factor on the merged task vector.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viscodex.merge.block import Array, Block, BlockStream, as_float32, float32_scalar, namespace, ranks
from viscodex.merge.kernel import Thinning
from viscodex.merge.quantiles import histograms_of, limits_at, magnitude_limits, rank_of

Options = Mapping[str, float]


def ties(block: Block, weights: Sequence[float], thresholds: Sequence[float], options: Options) -> Array:
    """Trim, elect a sign, take the disjoint mean (TIES-Merging, arXiv 2306.01708).

    τ̂ᵢ = τᵢ where |τᵢ| ≥ its threshold; γ = sgn Σ wᵢ τ̂ᵢ; θ = θ_b + scale · Σ_A wᵢ τ̂ᵢ / Σ_A wᵢ over A = {i: sgn τ̂ᵢ = γ}.
    """
    tasks = [_keep(task, abs(task) >= limit) for task, limit in zip(block.tasks(), thresholds, strict=True)]
    return block.base + options["scale"] * elect_and_average(tasks, weights)


def dare_linear(block: Block, weights: Sequence[float], stats: None, options: Options) -> Array:
    """θ = θ_b + Σ wᵢ mᵢ τᵢ / d with mᵢ ~ Bernoulli(d), d the density (DARE, arXiv 2311.03099)."""
    dropped = _drop_and_rescale(block, options["density"])
    return block.base + _sum(w * task for w, task in zip(weights, dropped, strict=True))


def dare_ties(block: Block, weights: Sequence[float], stats: None, options: Options) -> Array:
    """DARE's random dropping with rescaling 1/d, then TIES' sign election and disjoint mean (arXiv 2311.03099)."""
    dropped = _drop_and_rescale(block, options["density"])
    return block.base + options["scale"] * elect_and_average(dropped, weights)


def della(block: Block, weights: Sequence[float], stats: None, options: Options) -> Array:
    """Dropping that spares large elements, then election and mean (DELLA, arXiv 2406.11617).

    Within each row, r the rank of |τ| from the largest (0) to the smallest (n − 1):
    drop probability p = (1 − d) − ε/2 + ε r/(n − 1), kept elements are divided by 1 − p.
    """
    tasks = []
    for index, task in enumerate(block.tasks()):
        drop = _della_drop(task.reshape(block.shape), options).reshape(task.shape)
        tasks.append(_keep(task, block.uniform(index) >= drop) / (1.0 - drop))
    return block.base + options["scale"] * elect_and_average(tasks, weights)


def breadcrumbs(
    block: Block, weights: Sequence[float], limits: Sequence[tuple[float, float]], options: Options
) -> Array:
    """θ = θ_b + Σ wᵢ τ̂ᵢ without the largest γ share and the smallest rest (Model Breadcrumbs, arXiv 2312.06795).

    `limits` holds (low, high) per model: elements with low ≤ |τ| < high are kept, a share `density` of them.
    """
    kept = []
    for task, (low, high) in zip(block.tasks(), limits, strict=True):
        magnitude = abs(task)
        kept.append(_keep(task, (magnitude >= low) & (magnitude < high)))
    return block.base + _sum(w * task for w, task in zip(weights, kept, strict=True))


def sce(block: Block, weights: Sequence[float], stats: tuple[float, Sequence[float]], options: Options) -> Array:
    """Select by variance, calculate weights, erase minority signs (SCE, FuseChat-3.0, arXiv 2408.07990).

    Kept are the elements whose variance between the task vectors is among the largest `density` of the tensor;
    ηᵢ = Σ τ̂ᵢ² / Σₖ Σ τ̂ₖ² over the tensor; then TIES' election and mean with weights ηᵢ.
    """
    limit, squares = stats
    tasks = _selected(block.tasks(), limit)
    total = sum(squares)
    shares = [s / total if total > 0 else 1.0 / len(squares) for s in squares]
    return block.base + options["scale"] * elect_and_average(tasks, shares)


def ties_thinning(thresholds: Sequence[float], options: Options, keys: Sequence[int]) -> Thinning:
    """`ties` for the compiled kernel."""
    return Thinning(limits=thresholds, scale=options["scale"])


def dare_ties_thinning(stats: None, options: Options, keys: Sequence[int]) -> Thinning:
    """`dare_ties` for the compiled kernel."""
    return Thinning(keys=keys, density=options["density"], scale=options["scale"])


def dare_linear_thinning(stats: None, options: Options, keys: Sequence[int]) -> Thinning:
    """`dare_linear` for the compiled kernel."""
    return Thinning(keys=keys, density=options["density"], elects=False)


def elect_and_average(tasks: Sequence[Array], weights: Sequence[float]) -> Array:
    """Per element: the sign of the weighted sum, and the weighted mean of the task vectors that have this sign."""
    xp = namespace(tasks[0])
    weighted = [task * weight for task, weight in zip(tasks, weights, strict=True)]
    total = _sum(weighted)
    positive, negative = total > 0, total < 0
    agreed, share = xp.zeros_like(total), xp.zeros_like(total)
    for term, weight in zip(weighted, weights, strict=True):
        agrees = ((term > 0) & positive) | ((term < 0) & negative)
        agreed += term * agrees
        share += agrees * float32_scalar(abs(weight), agrees)
    share[share == 0] = 1.0
    return agreed / share


def trim_thresholds(stream: BlockStream, options: Options) -> list[float]:
    """Per model, the magnitude of the element at rank density · n: at least that share is kept, equal ones included."""
    return [limit for (limit,) in magnitude_limits(stream.task_histograms, [options["density"]])]


def breadcrumb_thresholds(stream: BlockStream, options: Options) -> list[tuple[float, float]]:
    """Per model (low, high): of n elements the ⌊γ n⌋ largest lie at or above `high`, the next density · n above `low`.

    `high` is infinite when γ n < 1, and when most elements are zero.
    """
    gamma, density = options["gamma"], options["density"]
    limits = limits_at(
        stream.task_histograms,
        lambda count: [rank_of(gamma + density, count), math.floor(gamma * count * (1 + 1e-12))],
    )
    return [(low, high if high > 0 else math.inf) for low, high in limits]


def sce_statistics(stream: BlockStream, options: Options) -> tuple[float, list[float]]:
    """The variance limit of a tensor, and Σ τ̂ᵢ² of each model's selected elements."""
    variances = histograms_of(lambda: ([_variance(block.tasks())] for block in stream()))
    ((limit,),) = magnitude_limits(variances, [options["density"]])
    sums: NDArray[Any] | float = 0.0
    for block in stream():
        sums = sums + np.array([float(np.sum(t.astype(np.float64) ** 2)) for t in _selected(block.tasks(), limit)])
    return limit, list(np.atleast_1d(np.asarray(sums)))


def _drop_and_rescale(block: Block, density: float) -> list[Array]:
    scale = 1.0 / density
    return [_keep(task, block.uniform(i) < density) * scale for i, task in enumerate(block.tasks())]


def _della_drop(task: Array, options: Options) -> Array:
    spread = options["epsilon"] / max(task.shape[-1] - 1, 1)
    least = (1.0 - options["density"]) - options["epsilon"] / 2
    drop = (ranks(-abs(task)) * float32_scalar(spread, task) + least).clip(0.0, 0.999)
    return as_float32(drop)


def _variance(tasks: Sequence[Array]) -> Array:
    mean = _sum(tasks) / len(tasks)
    return _sum((task - mean) ** 2 for task in tasks) / len(tasks)


def _selected(tasks: Sequence[Array], limit: float) -> list[Array]:
    chosen = _variance(tasks) >= limit
    return [_keep(task, chosen) for task in tasks]


def _keep(task: Array, mask: Array) -> Array:
    return task * mask


def _sum(arrays: Iterable[Array]) -> Array:
    total: Array | None = None
    for array in arrays:
        total = array if total is None else total + array
    return total
