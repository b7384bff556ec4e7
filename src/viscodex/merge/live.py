"""Set the backbone of a loaded model to a candidate's merge, in place: what a search tries costs no checkpoint.

The values are those a written merge has, bit for bit. A switch reads each input once and writes into the parameters;
tensors whose weights stay as they are are left alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch

from viscodex.checkpoint.dtypes import Words
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.merge.combine import Combiner, combiner, measure_model, measure_tensor
from viscodex.merge.device import Cpu
from viscodex.merge.plan import MergePlan, require_sound, sources
from viscodex.merge.recipe import MergeRecipe
from viscodex.merge.run import Job, keep_freed_memory, run_together
from viscodex.merge.tensors import Inputs, Range
from viscodex.merge.weights import model_weights

OUT_SLOT = 100  # the number of a thread's buffer for results; the inputs' come first


@dataclass(frozen=True)
class Switch:
    """What applying a candidate cost: tensors and bytes that were combined, bytes that were read, seconds."""

    tensors: int
    written: int
    read: int
    seconds: float


class LiveMerge:
    """A loaded VLM and the plan of its merges. Candidates differ in λ or weights; models, method and options stay.

    Combining happens on the CPU, by the compiled kernel where it is there; a model on a GPU is filled by copies.
    """

    def __init__(self, plan: MergePlan, model: Any, threads: int = 0) -> None:
        require_sound(plan)
        if not plan.method.uses_weights:
            raise UsageError(f"{plan.recipe.method} finds its own coefficients: there is nothing to search")
        keep_freed_memory()
        self.plan, self.threads = plan, threads or min(os.cpu_count() or 1, 8)
        self.inputs = Inputs(plan.models)
        self._applied: dict[str, tuple[float, ...]] = {}
        self._stats: dict[str, Any] = {}
        try:
            self._targets = list(self._find_targets(model))
            self._model_stats = measure_model(plan, self.inputs)
        except BaseException:
            self.close()
            raise

    def apply(self, recipe: MergeRecipe) -> Switch:
        """Make the model's backbone the merge of `recipe`. After an error it is a mixture: apply another."""
        begun = time.monotonic()
        layers = self.plan.vlm.geometry.layers or 0
        jobs: list[Job] = []
        wanted: dict[str, tuple[float, ...]] = {}
        written = read = 0
        for work, parameter in self._targets:
            step = work.step
            weights = tuple(model_weights(recipe.lam, recipe.weights, len(recipe.code), step.key, layers))
            if self._applied.get(step.key) == weights:
                continue
            wanted[step.key] = weights
            written += step.out.nbytes
            read += sum(source.info.nbytes for source in sources(step))
            jobs += self._jobs(work, parameter, weights)
        for key in wanted:
            self._applied.pop(key, None)
        with ThreadPoolExecutor(self.threads) as pool:
            run_together(pool, jobs)
        self._applied |= wanted
        return Switch(len(wanted), written, read, time.monotonic() - begun)

    def close(self) -> None:
        self.inputs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _jobs(self, work: Combiner, parameter: torch.Tensor, weights: tuple[float, ...]) -> Iterator[Job]:
        if work.is_measured and work.step.key not in self._stats:
            yield self._measured, (work, parameter, weights)
            return
        for part in work.parts:
            yield self._fill, (work, parameter, weights, part)

    def _measured(self, work: Combiner, parameter: torch.Tensor, weights: tuple[float, ...]) -> None:
        """What is measured does not depend on the weights: once is enough for all candidates."""
        self._stats[work.step.key] = measure_tensor(self.plan, self.inputs, work.step)
        for part in work.parts:
            self._fill(work, parameter, weights, part)

    def _fill(self, work: Combiner, parameter: torch.Tensor, weights: tuple[float, ...], part: Range) -> None:
        words = work.operands.read(part)
        stats = self._stats.get(work.step.key, self._model_stats)
        target = parameter.data.view(-1)[part[0] : part[1]]
        own = _words_of(target, work)
        if own is not None:
            work.combine(part, words, [own], [weights], stats)
            return
        buffer = np.frombuffer(self.inputs.buffer(OUT_SLOT, len(target) * work.dtype.bytes, 0), work.dtype.words)
        work.combine(part, words, [buffer], [weights], stats)
        target.copy_(_as_tensor(buffer, work))

    def _find_targets(self, model: Any) -> Iterator[tuple[Combiner, torch.Tensor]]:
        """Every merged tensor and the parameter it is in the model."""
        family = self.plan.vlm.family
        parameters = {family.locate(name): parameter for name, parameter in model.named_parameters()}
        for step in self.plan.steps:
            if step.action != "merge" or step.tuned[0].info.tied_to:
                continue
            parameter = parameters.get((step.part, step.key))
            if parameter is None or tuple(parameter.shape) != step.out.shape or not parameter.is_contiguous():
                raise VisCodexError("the loaded model has another backbone than the plan", where=step.key)
            yield combiner(self.plan, self.inputs, step, Cpu()), parameter


def _words_of(target: torch.Tensor, work: Combiner) -> Words | None:
    """The memory of a parameter as words of the merge's format; None where it has another format or place."""
    if target.device.type != "cpu" or str(target.dtype) != f"torch.{work.dtype.torch_name}":
        return None
    raw = target.view(torch.int16) if work.dtype.name == "BF16" else target
    return raw.numpy().view(work.dtype.words)


def _as_tensor(buffer: Words, work: Combiner) -> torch.Tensor:
    """Words as a tensor of their own format; `copy_` then widens it or moves it."""
    if work.dtype.name == "BF16":
        return torch.from_numpy(buffer.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(buffer)
