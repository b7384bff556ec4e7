"""Task vectors as files: what tuning added to a base, kept apart from both, and put back later.

    FOLDER/task_vector.json       what it is: the tuned model, its base, how much of it is where
    FOLDER/model*.safetensors     τ = θ_tuned − θ_base of the backbone, under the tuned model's own names
    FOLDER/config.json, …         the tuned model's side files

A merge takes such a folder wherever it takes a code model (it then reads the base); so does `apply_vector`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from viscodex.checkpoint.dtypes import FLOATS, by_torch_name, encode, has_nonfinite
from viscodex.checkpoint.reader import TASK_VECTOR
from viscodex.checkpoint.sidefiles import copy_side_files
from viscodex.checkpoint.source import resolve
from viscodex.checkpoint.writer import NewTensor, ShardPlan, create_shard, plan_shards, write_index
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.pagecache import write_all
from viscodex.core.problems import refuse
from viscodex.core.rundir import require_free, write_json
from viscodex.merge.checks import output_problems, require_unchanged
from viscodex.merge.combine import combiner
from viscodex.merge.device import Cpu
from viscodex.merge.plan import MergePlan, Step, module_of, plan_merge, require_sound
from viscodex.merge.recipe import MODULES, MergeRecipe
from viscodex.merge.report import input_record
from viscodex.merge.run import keep_freed_memory, run_together
from viscodex.merge.staging import staged_anew
from viscodex.merge.statistics import gram_of
from viscodex.merge.tensors import Inputs
from viscodex.version import __version__

Energies = dict[str, float]  # tensor → ‖τ‖²


def plan_difference(tuned: str, base: str) -> MergePlan:
    """A plan whose steps hold each tensor of `tuned` beside the base's; raises when they do not fit together."""
    values = {"vlm": tuned, "code": [base], "lambda": 0.5, "method": "linear"}
    plan = plan_merge(MergeRecipe.parse(values, where="extract"), None, called=("tuned model", "base"))
    require_sound(plan)
    return plan


def backbone(plan: MergePlan) -> list[Step]:
    """The steps of a difference: every merged tensor once."""
    return [step for step in plan.steps if step.action == "merge" and not step.tuned[0].info.tied_to]


def extract(tuned: str, base: str, out: Path, *, dtype: str = "bfloat16", threads: int = 0) -> dict[str, Any]:
    """Write τ of the backbone into OUT, streamed. In bfloat16 it is rounded once; float32 is exact or nearly so.

    Rows of the embedding that the base does not have, and those of vision tokens, have no difference: they are 0.
    Returns task_vector.json: shares of ‖τ‖² by module kind, and ‖τ‖ / ‖θ_base‖.
    """
    format_ = by_torch_name(dtype)
    if format_ is None:
        raise UsageError(f'no format "{dtype}"', hint="bfloat16, float16 or float32")
    require_free(out)
    plan = plan_difference(tuned, base)
    steps = backbone(plan)
    names = [NewTensor(s.out.name, format_.name, s.out.shape, format_.bytes * math.prod(s.out.shape)) for s in steps]
    shards = plan_shards(names, plan.recipe.shard_size)
    refuse(output_problems(plan.models, sum(shard.nbytes for shard in shards), out), where=str(out))
    keep_freed_memory()
    with staged_anew(out) as folder:
        found = _write_shards(plan, folder, shards, steps, threads)
        energies = {key: tau for key, (tau, _) in found.items()}
        write_index(folder, shards)
        copy_side_files(plan.vlm.path, folder)
        record = {
            "viscodex": __version__,
            "tuned": input_record(plan.vlm),
            "base": input_record(plan.models[-1]),
            "dtype": dtype,
            "tensors": len(steps),
            "rows_left_out": {step.key: step.rows_from_vlm for step in steps if step.rows_from_vlm},
            "relative_norm": math.sqrt(sum(energies.values()) / max(sum(own for _, own in found.values()), 1e-300)),
            "energy": by_kind(energies),
        }
        write_json(folder / TASK_VECTOR, record)
    return record


def apply_vector(vector: str, base: str, out: Path, *, scale: float = 1.0, threads: int = 0) -> dict[str, Any]:
    """θ = θ_base + scale · τ as a checkpoint in OUT, in the base's layout and with its side files."""
    from viscodex.merge.job import merge_to_folder

    if not (resolve(vector) / TASK_VECTOR).is_file():
        hint = "viscodex merge extract TUNED BASE --out VECTOR"
        raise UsageError("neither a task vector nor a LoRA adapter", where=vector, hint=hint)
    values = {"vlm": base, "code": [vector], "base": base, "weights": [0.0, scale], "name": f"{Path(base).name}+τ"}
    return merge_to_folder(plan_merge(MergeRecipe.parse(values, where="apply"), out), out, threads=threads)


def by_kind(energies: Energies) -> dict[str, float]:
    """Share of ‖τ‖² in each module kind."""
    total = sum(energies.values()) or 1.0
    sums = {kind: sum(tau for key, tau in energies.items() if module_of(key) == kind) for kind in MODULES}
    return {kind: part / total for kind, part in sums.items()}


def differences(plan: MergePlan, inputs: Inputs, step: Step) -> Iterator[tuple[tuple[int, int], Any, Any]]:
    """τ and θ_base of a tensor, piece by piece: place, two float32 arrays. NaN or Inf in either is an error."""
    work = combiner(plan, inputs, step, Cpu())
    for part in work.parts:
        words = work.operands.read(part)
        if fault := work.operands.nonfinite(words):
            raise fault
        for (begin, end), block in work.operands.blocks(part, words):
            yield (part[0] + begin, part[0] + end), block.tuned[0] - block.tuned[1], block.tuned[1]


def _write_shards(
    plan: MergePlan, folder: Path, shards: Sequence[ShardPlan], steps: Sequence[Step], threads: int
) -> dict[str, tuple[float, float]]:
    """All shards; tensor → ‖τ‖² and ‖θ_base‖². The inputs must be the same files at the end."""
    found: dict[str, tuple[float, float]] = {}
    ordered = iter(steps)
    with closing(Inputs(plan.models)) as inputs, ThreadPoolExecutor(threads or min(os.cpu_count() or 1, 8)) as pool:
        for shard in shards:
            found |= _write_shard(plan, inputs, folder, shard, [next(ordered) for _ in shard.tensors], pool)
    require_unchanged(plan.models)
    return found


def _write_shard(
    plan: MergePlan, inputs: Inputs, folder: Path, shard: ShardPlan, steps: list[Step], pool: ThreadPoolExecutor
) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    file = create_shard(folder, shard)

    def write(step: Step, start: int, dtype: str) -> None:
        found[step.key] = _write_tensor(plan, inputs, step, file, start, dtype)

    try:
        places = zip(steps, shard.starts, shard.tensors, strict=True)
        run_together(pool, [(write, (step, start, tensor.dtype)) for step, start, tensor in places])
        os.fsync(file)
    finally:
        os.close(file)
    return found


def _write_tensor(
    plan: MergePlan, inputs: Inputs, step: Step, file: int, start: int, dtype: str
) -> tuple[float, float]:
    format_ = FLOATS[dtype]
    tau_energy = base_energy = 0.0
    for (begin, _), task, base in differences(plan, inputs, step):
        words = np.empty(task.size, format_.words)
        encode(np.ravel(task), format_, words)
        if has_nonfinite(words, format_):
            raise VisCodexError(f"a difference does not fit {format_.torch_name}", step.key, "--dtype float32")
        write_all(file, words.view(np.uint8).data, start + begin * format_.bytes)
        gram = gram_of([task, base])
        tau_energy, base_energy = tau_energy + float(gram[0, 0]), base_energy + float(gram[1, 1])
    return tau_energy, base_energy
