"""Where a checkpoint comes from: a local folder, or a Hugging Face hub id."""

from __future__ import annotations

import os
import re
from pathlib import Path

from viscodex.core.errors import VisCodexError

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?")
_WANTED = ["*.safetensors", "*.json", "*.txt", "*.jinja", "*.model", "*.py", "LICENSE*", "README.md"]


def resolve(name: str) -> Path:
    """The folder of a checkpoint. A hub id is downloaded (or found in the cache; HF_HUB_OFFLINE is respected)."""
    try:
        path = Path(name).expanduser()
        if name and path.is_dir():
            return _readable(path)
        if path.is_file():
            raise VisCodexError("a checkpoint is a folder, this is a file", where=name, hint=_hint_for_file(path))
        is_something_else = path.exists()
    except (OSError, RuntimeError) as error:  # a name too long, a home folder of nobody
        raise _no_such_folder(name) from error
    if is_something_else or name.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(name):
        raise _no_such_folder(name)
    return _download(name)


def _readable(path: Path) -> Path:
    if not os.access(path, os.R_OK | os.X_OK):
        raise VisCodexError("the checkpoint folder is not readable", where=str(path), hint=f"chmod -R u+rX {path}")
    return path


def _no_such_folder(name: str) -> VisCodexError:
    return VisCodexError(
        "no such checkpoint folder", where=name, hint="a folder with config.json, or a hub id org/name"
    )


def _hint_for_file(path: Path) -> str:
    if path.suffix == ".gguf":
        return "GGUF is quantised for inference; use the safetensors release of the same model"
    return f"name its folder: {path.parent}"


def _download(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    repo, _, revision = hub_id.partition("@")
    try:
        return Path(snapshot_download(repo, revision=revision or None, allow_patterns=_WANTED))
    except HFValidationError as error:
        raise _no_such_folder(hub_id) from error
    except RepositoryNotFoundError as error:
        raise VisCodexError(
            "no such model on the hub, or no access to it", where=hub_id, hint="hf auth login"
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise VisCodexError(
            "not a folder here, and the hub cannot be reached",
            where=hub_id,
            hint=f"download it where there is a network: hf download {repo}",
        ) from error
