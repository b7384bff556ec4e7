"""What must hold around a merge: room and rights for the output, readable side files, inputs that stay as they were."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from viscodex.checkpoint.reader import Checkpoint, stamp
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.problems import Problem
from viscodex.core.rundir import partial_path, require_free


def output_problems(models: Sequence[Checkpoint], nbytes: int, out: Path) -> list[Problem]:
    """Why OUT cannot take `nbytes`: taken already, inside an input, no right to write, no room."""
    try:
        require_free(out)
    except UsageError as error:
        return [Problem(error.problem, error.where, error.hint)]
    except OSError as error:
        return [Problem("cannot look into the output folder", f"{out}: {error.strerror}")]
    inside = [model for model in models if _real(model.path) in (_real(out), *_real(out).parents)]
    if inside:
        where = f"{out} is in the {inside[0].role}'s folder"
        return [Problem("the output lies inside an input", where, "choose another --out")]
    folder = next(path for path in (out.absolute(), *out.absolute().parents) if _is_there(path))
    if not folder.is_dir():
        return [Problem("the output lies below a file", str(folder), "choose another --out")]
    if not os.access(folder, os.W_OK | os.X_OK):
        return [Problem("no right to write the output there", str(folder), "choose another --out")]
    free = shutil.disk_usage(folder).free + _held(partial_path(out))
    if free < nbytes:
        where = f"{folder}: {nbytes / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free"
        return [Problem("not enough disk space", where, "choose another --out")]
    return []


def side_problems(models: Iterable[Checkpoint]) -> list[Problem]:
    """Files beside the weights that cannot be read: found now, not when they are copied at the end."""
    return [
        Problem("a file beside the weights cannot be read", f"{model.role}: {path}", "chmod u+r")
        for model in models
        for path in sorted(model.path.iterdir())
        if path.is_file() and not os.access(path, os.R_OK)
    ]


def require_unchanged(models: Iterable[Checkpoint]) -> None:
    """Raise when a shard is not the file any more whose header was planned with."""
    for model in models:
        for shard, known in model.stamps.items():
            if stamp(model.path / shard) != known:
                raise VisCodexError(
                    "an input changed while it was read", where=str(model.path / shard), hint="the same command again"
                )


def _held(partial: Path) -> int:
    """Bytes on disk that an unfinished run of this merge has taken already."""
    try:
        return sum(path.lstat().st_blocks * 512 for path in partial.rglob("*") if path.is_file())
    except OSError:  # none, or another process is publishing it just now
        return 0


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long, a folder that may not be entered
        return False


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a link to itself
        return path.absolute()
