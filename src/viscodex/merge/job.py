"""A merge from plan to published folder: run the engine, add the side files, check that the result loads."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from viscodex.checkpoint.reader import open_checkpoint
from viscodex.core.errors import VisCodexError
from viscodex.core.problems import refuse
from viscodex.merge.plan import MergePlan
from viscodex.merge.report import write_side_files
from viscodex.merge.run import run_merge


def plan_table(plan: MergePlan) -> dict[str, Any]:
    """The plan as the command line shows it."""
    return {
        "title": f"{plan.recipe.name}: {plan.recipe.method}",
        "parts": plan.summary(),
        "problems": [vars(problem) for problem in plan.problems],
        "lines": _plan_lines(plan),
    }


def merge_to_folder(
    plan: MergePlan, out: Path, *, threads: int = 0, device: str = "cpu", check: str = "headers"
) -> dict[str, Any]:
    """Run a plan into OUT, side files included, and say what was done.

    `check`: "headers" compares the written headers with what the config and the VLM ask for; "load" also builds the
    model in transformers and asks it (about 4 s).
    """
    begun = time.monotonic()
    result = run_merge(
        plan,
        out,
        threads=threads,
        device=device,
        finish=lambda folder, variant, summary: write_side_files(plan, folder, variant, summary),
    )
    checks = [check_result(plan, folder, check) for folder in result.folders]
    return {
        "title": f"{plan.recipe.name}: {plan.recipe.method}",
        "parts": plan.summary(),
        "folders": [str(folder) for folder in result.folders],
        "seconds": round(time.monotonic() - begun, 2),
        "resumed_shards": result.resumed_shards,
        "lines": [*_plan_lines(plan), *checks, *(f"written: {folder}" for folder in result.folders)],
    }


def check_result(plan: MergePlan, folder: Path, check: str) -> str:
    """Read the result back strictly: every tensor of every part there with its shape, none left over."""
    if check == "none":
        return "load check: not done"
    written = open_checkpoint(folder, "result")
    refuse(written.problems, where=str(folder))
    wanted = {key: info.shape for key, info in plan.vlm.tensors.items()}
    found = {key: info.shape for key, info in written.tensors.items()}
    if wanted != found:
        differing = sorted(
            str(k) for k in wanted.keys() ^ found.keys() | {k for k in wanted if wanted[k] != found.get(k)}
        )
        raise VisCodexError(f"the result lacks or has other tensors than the vlm: {differing[0]}", where=str(folder))
    if check == "load":
        from viscodex.model.load import check_loadable

        check_loadable(folder)
        return f"load check: transformers fills all {len(found)} tensors of {folder.name}, none missing, none left over"
    return f"load check: all {len(found)} tensors are there with their shapes, none left over ({folder.name})"


def _plan_lines(plan: MergePlan) -> list[str]:
    lines = [f"{role:>8}: {model.path}" for role, model in zip(plan.roles, plan.models, strict=True)]
    mapped = [step for step in plan.steps if step.rows_from_vlm]
    lines += [
        f"{step.key}: {step.rows_from_vlm:,} of {step.out.shape[0]:,} rows are the vlm's alone" for step in mapped
    ]
    buffers = [f"{role}: {len(m.buffers)}" for role, m in zip(plan.roles, plan.models, strict=True) if m.buffers]
    if buffers:
        lines.append(f"computed buffers in the files, not copied: {', '.join(buffers)}")
    return lines
