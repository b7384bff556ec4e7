"""Combine the words of all models at one place of a tensor: by the compiled kernel or by the method's own formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from viscodex.checkpoint.dtypes import FLOATS, DType, Words, decode, encode, has_nonfinite
from viscodex.merge.device import Cpu, Device
from viscodex.merge.kernel import MOST_MODELS, thinned_sum_bf16, weighted_sum_bf16
from viscodex.merge.plan import MergePlan, Step
from viscodex.merge.tensors import Inputs, Operands, Range, TensorStream, can_compile, chunks

Weights = Sequence[Sequence[float]]  # per result, one weight per model, the VLM's first


@dataclass(frozen=True)
class Combiner:
    """One merged tensor of a plan; `stats` is what its method has measured over it, or over the whole backbone."""

    plan: MergePlan
    step: Step
    operands: Operands

    @property
    def dtype(self) -> DType:
        return FLOATS[self.step.out.dtype]

    @property
    def is_whole(self) -> bool:
        """Whether the method takes the whole matrix at once."""
        return self.plan.method.whole and self.step.key.startswith("model.layers.") and len(self.step.out.shape) == 2

    @property
    def is_measured(self) -> bool:
        """Whether the method reads the tensor first."""
        return self.plan.method.measure is not None and self.plan.method.scope == "tensor"

    @property
    def parts(self) -> list[Range]:
        """The pieces it is combined in."""
        elements = self.step.tuned[0].info.elements
        return [(0, elements)] if self.is_whole else chunks(elements, self.operands.shape[1])

    def combine(
        self, part: Range, words: Sequence[Words], outs: Sequence[Words], weights: Weights, stats: Any = None
    ) -> None:
        """Elements [start, stop) into `outs`, one for each row of weights; what is not finite is an error."""
        operands = self.operands
        if self.is_whole and (fault := operands.nonfinite(words)):  # before the long work
            raise fault
        with np.errstate(all="ignore"):  # what is not finite is refused by name just below
            finite = self._compiled(part[0], words, outs, weights, stats)
            if finite is None:
                finite = self._general(part, words, outs, weights, stats)
        if not finite:
            raise operands.blame(words, self.dtype.torch_name)
        if fault := operands.nonfinite(words, self._left_out(weights, stats)):
            raise fault
        self._restore_vlm_rows(part, words, outs)

    def _general(
        self, part: Range, words: Sequence[Words], outs: Sequence[Words], weights: Weights, stats: Any
    ) -> bool:
        """Combine block by block with the method's own formula, and say whether all is finite."""
        combine, options, device = self.plan.method.combine, self.plan.options, self.operands.device
        for (begin, end), block in self.operands.blocks(part, words, self.is_whole):
            for out, row in zip(outs, weights, strict=True):
                device.encode(combine(block, row, stats, options), self.dtype, out[begin:end])
        return not any(has_nonfinite(out, self.dtype) for out in outs)

    def _compiled(
        self, place: int, words: Sequence[Words], outs: Sequence[Words], weights: Weights, stats: Any
    ) -> bool | None:
        """Combine by the compiled kernel, and say whether all is finite.

        None where the method, the formats or the device ask for the general way. Rows that only the VLM has come out
        as anything: they are restored afterwards.
        """
        method, step, operands = self.plan.method, self.step, self.operands
        if not isinstance(operands.device, Cpu) or not can_compile(step, step.out.dtype):
            return None
        finite = True
        if method.coefficients is not None:
            for out, row in zip(outs, weights, strict=True):
                finite &= weighted_sum_bf16(words, self._coefficients(row, stats), out)
            return finite
        if method.thinning is None or len(step.tuned) > MOST_MODELS:
            return None
        thinning = method.thinning(stats, self.plan.options, [operands.key(i) for i in range(len(step.tuned))])
        for out, row in zip(outs, weights, strict=True):
            finite &= thinned_sum_bf16(words, row, thinning, place, out)
        return finite

    def _restore_vlm_rows(self, part: Range, words: Sequence[Words], outs: Sequence[Words]) -> None:
        """Rows that only the VLM has are its own, bit for bit unless another format is asked for."""
        rows = self.operands.rows_in(part)
        if rows is None:
            return
        columns, own = self.operands.shape[1], FLOATS[self.step.tuned[0].info.dtype]
        kept = words[0].reshape(-1, columns)[rows]
        if own != self.dtype:
            values = decode(kept, own)
            kept = np.empty(kept.shape, self.dtype.words)
            encode(values, self.dtype, kept)
        for out in outs:
            out.reshape(-1, columns)[rows] = kept

    def _left_out(self, weights: Weights, stats: Any) -> list[int]:
        """Sources with coefficient 0 in every result: whether they are finite does not show there."""
        if self.plan.method.coefficients is None:
            return []
        rows = [self._coefficients(row, stats) for row in weights]
        return [number for number, column in enumerate(zip(*rows, strict=True)) if not any(column)]

    def _coefficients(self, weights: Sequence[float], stats: Any) -> list[float]:
        """One factor per source, for a method that is a weighted sum."""
        assert self.plan.method.coefficients is not None
        of_base, of_tuned = self.plan.method.coefficients(weights, stats)
        assert self.step.base is not None or of_base == 0.0
        return [*of_tuned, of_base] if self.step.base else of_tuned


def combiner(plan: MergePlan, inputs: Inputs, step: Step, device: Device) -> Combiner:
    """The combiner of one step of a plan."""
    return Combiner(plan, step, Operands(inputs, step, device, plan.recipe.seed))


def measure_tensor(plan: MergePlan, inputs: Inputs, step: Step) -> Any:
    """What a method measures over one tensor before it combines it, always as numpy arrays; None if nothing."""
    if plan.method.measure is None or plan.method.scope != "tensor":
        return None
    with np.errstate(all="ignore"):
        return plan.method.measure(TensorStream(Operands(inputs, step, Cpu(), plan.recipe.seed)), plan.options)


def measure_model(plan: MergePlan, inputs: Inputs) -> Any:
    """For methods whose coefficients come from the whole backbone: one reading of it.

    Summed in the order of the keys, and without a tied head that was saved all the same: neither sharding nor layout
    of the files may move a coefficient.
    """
    method = plan.method
    if method.scope != "model" or method.measure is None:
        return None
    total: Any = 0.0
    for step in sorted(plan.steps, key=lambda step: step.key):
        if step.action == "merge" and not step.tuned[0].info.tied_to:
            total = total + method.measure(TensorStream(Operands(inputs, step, Cpu(), plan.recipe.seed)), {})
    return total
