"""Checks of the machine itself: Python, processor, memory, disk, GPU, and the Hugging Face cache."""

from __future__ import annotations

import os
import platform as host
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from viscodex.core.finding import Finding
from viscodex.doctor.probe import first_line

SECTION = "Machine"
OLDEST_PYTHON = (3, 11)
GB = 1e9
MEMORY_WANTED = 4 * GB
DISK_WANTED = 5 * GB
CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def python() -> Iterator[Finding]:
    is_new_enough = sys.version_info >= OLDEST_PYTHON
    wanted = ".".join(map(str, OLDEST_PYTHON))
    detail = f"{host.python_version()} ({sys.executable})"
    yield Finding(
        SECTION,
        "Python",
        "ok" if is_new_enough else "missing",
        detail,
        "runs viscodex",
        "" if is_new_enough else f"install Python {wanted} or newer, then: make venv PYTHON=python{wanted}",
    )


def platform() -> Iterator[Finding]:
    yield Finding(SECTION, "platform", "ok", f"{_system()}, {host.machine()}, {_cores()} CPU cores")


def memory() -> Iterator[Finding]:
    total = _memory()
    enough = total >= MEMORY_WANTED
    yield Finding(
        SECTION,
        "memory",
        "ok" if enough else "optional",
        f"{total / GB:.1f} GB",
        "a merge needs about 1 GB whatever the model's size; generating needs the model's size",
        "" if enough else f"a machine with at least {MEMORY_WANTED / GB:.0f} GB",
    )


def disk() -> Iterator[Finding]:
    free = shutil.disk_usage(Path.cwd()).free
    enough = free >= DISK_WANTED
    yield Finding(
        SECTION,
        "disk",
        "ok" if enough else "optional",
        f"{free / GB:.0f} GB free here",
        "a merged 8B model is 17 GB",
        "" if enough else "free some space, or give --out on a larger disk",
    )


def gpu() -> Iterator[Finding]:
    """NVIDIA GPUs, by asking the driver: importing torch to ask would take seconds."""
    purpose = "faster merging and generating; everything runs without it"
    found = first_line(["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"])
    if found is not None:
        yield Finding(SECTION, "GPU", "ok", found, purpose)
    elif shutil.which("nvidia-smi"):
        yield Finding(SECTION, "GPU", "optional", "the NVIDIA driver does not answer", purpose, "nvidia-smi")
    else:
        yield Finding(SECTION, "GPU", "optional", "no NVIDIA driver", purpose)


def hub() -> Iterator[Finding]:
    cache = hub_cache()
    models = len(list(cache.glob("models--*"))) if cache.is_dir() else 0
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    detail = f"{'offline (HF_HUB_OFFLINE)' if offline else 'online'}, {models} cached models in {cache}"
    yield Finding(SECTION, "Hugging Face", "ok", detail, "checkpoints named by hub id; local folders need neither")


def hub_cache() -> Path:
    """Where huggingface_hub keeps downloads, by the variables it reads."""
    home = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or home) / "hub").expanduser()


def _system() -> str:
    if sys.platform == "linux" and Path("/etc/os-release").exists():
        return host.freedesktop_os_release()["PRETTY_NAME"]
    return f"{host.system()} {host.release()}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> float:
    """Bytes this process may use: the machine's, or its container's if that is less."""
    sizes = [float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))]
    limits = [path.read_text().strip() for path in CGROUP_LIMITS if path.is_file()]
    return min(sizes + [float(limit) for limit in limits if limit.isdigit()])
