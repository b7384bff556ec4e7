"""Merge a code model into a VLM from Python, look at what moved, and load the result.

Runs on tiny random models; with folders of real ones, only the three paths change.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from viscodex.merge.inspect import inspect
from viscodex.merge.job import merge_to_folder
from viscodex.merge.plan import plan_merge
from viscodex.merge.recipe import MergeRecipe
from viscodex.model.load import load_model
from viscodex.model.tiny import write_trio

with tempfile.TemporaryDirectory() as folder:
    vlm, code, base = write_trio(Path(folder) / "tiny")
    for name, value in inspect(str(vlm), str(code), str(base)).all.measures().items():
        print(f"{name:32} {value:.4f}")

    recipe = MergeRecipe.load("task-arithmetic", {"vlm": str(vlm), "code": str(code), "lambda": 0.7})
    out = Path(folder) / "merged"
    result = merge_to_folder(plan_merge(recipe, out), out)
    print(*result["lines"], sep="\n")

    model = load_model(out)
    print(f"{sum(parameter.numel() for parameter in model.parameters()):,} parameters, ready to use")
