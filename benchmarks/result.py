"""A benchmark's result: one JSON file, with the machine it was measured on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def write(
    name: str, title: str, rows: Sequence[Mapping[str, Any]], notes: str = "", *, folder: Path = RESULTS, **more: Any
) -> Path:
    """Write NAME.json; each row is a table row, its keys the column heads. `more` is for whoever looks closer."""
    value = {"title": title, "machine": machine(), "rows": list(rows), "notes": notes, **more}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def machine() -> str:
    """Processor, memory, system, Python, date, commit, and how busy it was, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = [
        f"{cores} cores ({_processor()})",
        f"{memory:.0f} GB",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
        *(f"{name} {version(name)}" for name in ("numpy", "torch")),
        datetime.now(UTC).date().isoformat(),
        f"commit {_commit()}",
        f"load {os.getloadavg()[0]:.1f}",
    ]
    return ", ".join(facts)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _commit() -> str:
    argv = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(argv, cwd=RESULTS, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
