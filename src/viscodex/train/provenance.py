"""What a run was made of: versions of what computes, and the commit of a source checkout."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch
import transformers

from viscodex.version import __version__


def versions() -> dict[str, str]:
    return {
        "viscodex": __version__,
        "commit": commit(Path(__file__)),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
    }


def commit(inside: Path) -> str:
    """The commit a source tree stands at, read from its .git; empty for an installed package."""
    root = next((folder for folder in inside.parents if (folder / ".git").exists()), None)
    if root is None or not (root / "pyproject.toml").is_file():
        return ""
    git = root / ".git"
    if git.is_file():  # a worktree names the place of its own
        git = root / git.read_text().removeprefix("gitdir:").strip()
    shared = git / (git / "commondir").read_text().strip() if (git / "commondir").is_file() else git
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref: "):
        return head
    name = head.removeprefix("ref: ")
    for folder in (git, shared):
        if (folder / name).is_file():
            return (folder / name).read_text().strip()
    return _packed(shared / "packed-refs", name)


def _packed(path: Path, name: str) -> str:
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), "")


def memory_in_use(device: torch.device) -> int:
    """Most bytes so far: allocated on a GPU, resident on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def shown_settings(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe's settings as TOML can hold them: without those that are not set."""
    return {key: value for key, value in recipe.items() if value is not None}
