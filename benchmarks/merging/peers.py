"""mergekit, the program a merge is measured against: its own environment, and its recipe for the same merge."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

MERGEKIT, TORCH = "mergekit==0.1.5", "torch==2.13.0"
YAML = """\
models:
  - model: {vlm}
    parameters: {{weight: {vlm_weight}{density}}}
  - model: {code}
    parameters: {{weight: {code_weight}{density}}}
base_model: {base}
merge_method: {method}
dtype: bfloat16
"""


def environment(folder: Path) -> Path:
    """The `mergekit-yaml` of an environment, which is made if it is not there (some gigabytes of downloads)."""
    program = folder / "bin" / "mergekit-yaml"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", TORCH, MERGEKIT], check=True)
    return program


def versions(folder: Path) -> str:
    """The versions of mergekit, torch and Python in that environment, in words."""
    code = (
        "import platform; from importlib.metadata import version as v;"
        'print(f\'mergekit {v("mergekit")} with torch {v("torch")}, Python {platform.python_version()}\')'
    )
    done = subprocess.run([folder / "bin" / "python", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def write_config(path: Path, models: Mapping[str, Path], method: str, lam: float, density: float | None) -> Path:
    """mergekit's recipe for `method` with weights λ and 1 − λ."""
    text = YAML.format(
        **models,
        method=method,
        vlm_weight=lam,
        code_weight=round(1 - lam, 6),
        density="" if density is None else f", density: {density}",
    )
    path.write_text(text, encoding="utf-8")
    return path
