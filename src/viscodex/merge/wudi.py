"""WUDI: find the one task vector that interferes least with all of them, layer by layer, without data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from viscodex.merge.block import Array, Block, namespace


def wudi(block: Block, weights: Sequence[float], stats: None, options: Mapping[str, float]) -> Array:
    """θ = θ_b + scale · τ* with τ* = argmin Σᵢ ‖(τ − τᵢ) τᵢᵀ‖² / ‖τᵢ‖² (WUDI, arXiv 2503.08099; OptMerge, 2505.19892).

    A linear layer's task vector spans its inputs, hence τᵢ in the place of data. The published method descends with
    Adam for 300 steps from Σ τᵢ; the objective is quadratic, so conjugate gradients (`steps` of them) from the same
    start go straight to its minimum. Norms, biases and embeddings have no such input space; theirs are averaged.
    Holds the whole matrix: about 8 × its float32 bytes.
    """
    tasks = block.tasks()
    assert block.base is not None
    if not block.whole:
        return block.base + options["scale"] * (sum(tasks[1:], start=tasks[0]) / len(tasks))
    xp = namespace(tasks[0])
    matrices = [task.reshape(block.shape) for task in tasks]
    scales = [1.0 / max(float((m * m).sum()), 1e-30) for m in matrices]

    def curvature(x: Array) -> Array:
        """Half the gradient's linear part: Σ x τᵢᵀ τᵢ / ‖τᵢ‖², multiplied in the cheaper order."""
        return sum((_project(x, m) * s for m, s in zip(matrices, scales, strict=True)), start=xp.zeros_like(x))

    target = sum((_project(m, m) * s for m, s in zip(matrices, scales, strict=True)), start=xp.zeros_like(matrices[0]))
    start = sum(matrices[1:], start=matrices[0])
    best = _conjugate_gradients(curvature, target, start, int(options["steps"]))
    return block.base + options["scale"] * best.reshape(tasks[0].shape)


def _project(x: Array, m: Array) -> Array:
    """x mᵀ m, by way of whichever product is smaller."""
    return (x @ m.T) @ m if m.shape[0] <= m.shape[1] else x @ (m.T @ m)


def _conjugate_gradients(operator: object, target: Array, x: Array, steps: int) -> Array:
    """Minimise ½⟨x, Ax⟩ − ⟨b, x⟩; stops early when the residual has fallen by 10⁵."""
    assert callable(operator)
    residual = target - operator(x)
    direction = residual
    size = float((residual * residual).sum())
    enough = 1e-10 * max(float((target * target).sum()), 1e-30)
    for _ in range(steps):
        if size <= enough:
            break
        curved = operator(direction)
        bend = float((direction * curved).sum())
        if bend <= 0.0:
            break
        x = x + direction * (size / bend)
        residual = residual - curved * (size / bend)
        new_size = float((residual * residual).sum())
        direction = residual + direction * (new_size / size)
        size = new_size
    return x
