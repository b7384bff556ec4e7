"""Charts of reference scripts, kept on disk: a reference is the same for every model that is measured.

One file for each script, environment, program and way of running. Written whole or not at all, so that several
processes may share the folder; a file that cannot be read is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from viscodex.core.rundir import atomic_write, cache_folder
from viscodex.sandbox.chart import Chart, Charts, Nameless
from viscodex.sandbox.chart_artists import Artists
from viscodex.sandbox.chart_frames import FrameError, pack, unpack
from viscodex.sandbox.chart_jail import program_hash

VERSION = 1
"""Of the files."""
REPEATABLE = ("ok", "no_figure", "error", "exit")
"""What ends otherwise may be the machine's fault, and is tried again."""


class References:
    """Runs reference scripts, each once."""

    def __init__(self, charts: Charts, folder: Path | None = None) -> None:
        self._charts = charts
        self._folder = folder or cache_folder() / "chartmimic"

    def run(self, code: str, *, dpi: float | None = None, nameless: Nameless = "") -> Chart:
        """The chart of a script, from the disk if it is there."""
        path = self._folder / self._name(code, dpi, nameless)
        if (kept := _read(path)) is not None:
            return kept
        chart = self._charts.run(code, dpi=dpi, nameless=nameless)
        if chart.status in REPEATABLE:
            _write(path, chart)
        return chart

    def _name(self, code: str, dpi: float | None, nameless: Nameless) -> str:
        key = [VERSION, self._charts.environment.hash, program_hash(), code, dpi, nameless]
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        return f"{digest[:2]}/{digest[2:]}.chart"


def _read(path: Path) -> Chart | None:
    try:
        header, png = unpack(path.read_bytes())
        artists = None if header["artists"] is None else Artists.model_validate(header["artists"])
        return Chart(**header | {"artists": artists, "png": png})
    except (OSError, FrameError, KeyError, TypeError, ValidationError):
        return None


def _write(path: Path, chart: Chart) -> None:
    plain: dict[str, Any] = {field.name: getattr(chart, field.name) for field in fields(chart)}
    plain |= {"artists": chart.artists and chart.artists.model_dump(mode="json"), "png": None}
    plain |= {"stdout": "", "stderr": ""}
    with contextlib.suppress(OSError):  # a full or read-only disk costs time, not a score
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, pack(plain, chart.png))
