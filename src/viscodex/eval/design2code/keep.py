"""References looked at once and kept on disk, for every model and every worker that comes after.

Content-addressed: a name is the hash of everything that the content depends on, so nothing is ever out of date, and
two workers that write the same file write the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from viscodex.core.rundir import atomic_write
from viscodex.eval.benchmark import Rules
from viscodex.eval.design2code.block import Block
from viscodex.eval.design2code.failure import PageFailedError
from viscodex.eval.design2code.overlay import small
from viscodex.eval.design2code.pixels import Picture, decode, encode
from viscodex.eval.design2code.sight import Seen, Sight
from viscodex.model.clip import Vector

PROTOCOLS: tuple[Rules, ...] = ("fixed", "paper")


class Kept:
    """A folder of what was seen of reference pages in one environment."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = json.dumps(dict(environment), sort_keys=True)

    def load(self, html: str) -> Seen | None:
        """What both protocols saw; None when it is not kept, or its files are damaged."""
        try:
            return {rules: self._sight(html, rules) for rules in PROTOCOLS}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, html: str, seen: Seen) -> None:
        """The pictures first: where a description is, its picture is there too."""
        for rules, sight in seen.items():
            if isinstance(sight, PageFailedError):
                self._write(self._path(html, rules), {"reason": sight.reason, "detail": sight.detail})
                continue
            self._put(self._path(html, "picture", "png"), sight.png)
            blocks = [[block.text, block.box, block.color] for block in sight.blocks]
            self._write(self._path(html, rules), {"found": sight.found, "blocks": blocks})

    def features(self, html: str, rules: Rules, weights: str) -> Vector | None:
        """CLIP's features of a reference under a protocol."""
        try:
            found = np.frombuffer(self._path(html, f"{rules} {weights}", "f32").read_bytes(), dtype=np.float32)
        except (OSError, ValueError):
            return None
        return found if len(found) else None

    def save_features(self, html: str, rules: Rules, weights: str, features: Vector) -> None:
        self._put(self._path(html, f"{rules} {weights}", "f32"), features.astype(np.float32).tobytes())

    def small(self, html: str, png: bytes) -> Picture:
        """A reference's picture at the size of overlays: to read it back takes a tenth of what decoding `png` does."""
        path = self._path(html, "small", "png")
        known = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) if path.exists() else None
        if known is not None:
            return np.asarray(known, dtype=np.uint8)
        made = small(decode(png))
        self._put(path, encode(made))
        return made

    def _sight(self, html: str, rules: Rules) -> Sight | PageFailedError:
        known = json.loads(self._path(html, rules).read_bytes())
        if "reason" in known:
            return PageFailedError(known["reason"], known["detail"])
        blocks = tuple(Block(text, tuple(box), tuple(color)) for text, box, color in known["blocks"])
        return Sight(self._path(html, "picture", "png").read_bytes(), blocks, known["found"])

    def _path(self, html: str, what: str, ending: str = "json") -> Path:
        page = html.encode("utf-8", "surrogatepass")
        name = hashlib.sha256(b"\0".join((what.encode(), self._environment.encode(), page))).hexdigest()
        return self._folder / name[:2] / f"{name[2:]}.{ending}"

    def _write(self, path: Path, value: Mapping[str, Any]) -> None:
        self._put(path, json.dumps(value).encode())

    def _put(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, content)
