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
    path = Path(name).expanduser()
    if path.is_dir():
        if not os.access(path, os.R_OK | os.X_OK):
            raise VisCodexError("the checkpoint folder is not readable", where=name, hint=f"chmod -R u+rX {name}")
        return path
    if path.is_file():
        raise VisCodexError("a checkpoint is a folder, this is a file", where=name, hint=_hint_for_file(path))
    if path.exists() or name.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(name):
        raise VisCodexError(
            "no such checkpoint folder", where=name, hint="a folder with config.json, or a hub id org/name"
        )
    return _download(name)


def _hint_for_file(path: Path) -> str:
    if path.suffix == ".gguf":
        return "GGUF is quantised for inference; use the safetensors release of the same model"
    return f"name its folder: {path.parent}"


def _download(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    repo, _, revision = hub_id.partition("@")
    try:
        return Path(snapshot_download(repo, revision=revision or None, allow_patterns=_WANTED))
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
