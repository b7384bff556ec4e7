"""The fonts that pages are drawn with: named Debian packages and no others, so that a picture says nothing of the host.

Latin text needs the two required packages; the others draw emoji and Chinese, Japanese and Korean. A set's hash
(files and rules) is part of every page's environment: pictures are comparable where it is equal.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

FOLDER = Path("/usr/share/fonts")
REQUIRED: dict[str, tuple[str, ...]] = {
    "fonts-dejavu-core": tuple(
        f"truetype/dejavu/DejaVu{name}.ttf"
        for name in ("Sans", "Sans-Bold", "SansMono", "SansMono-Bold", "Serif", "Serif-Bold")
    ),
    "fonts-liberation": tuple(
        f"truetype/liberation/Liberation{family}-{style}.ttf"
        for family in ("Mono", "Sans", "Serif")
        for style in ("Regular", "Bold", "Italic", "BoldItalic")
    ),
}
OPTIONAL: dict[str, tuple[str, ...]] = {
    "fonts-noto-color-emoji": ("truetype/noto/NotoColorEmoji.ttf",),
    "fonts-noto-cjk": ("opentype/noto/NotoSansCJK-Regular.ttc", "opentype/noto/NotoSansCJK-Bold.ttc"),
}
# What CSS's generic names stand for: as in a Chromium with a window, and as in Playwright.
GENERIC_FONTS = {
    "standard": "Times New Roman",
    "serif": "Times New Roman",
    "sansSerif": "Arial",
    "fixed": "Monospace",
    "cursive": "Comic Sans MS",
    "fantasy": "Impact",
}


@dataclass(frozen=True)
class FontSet:
    """The pinned fonts as they are on this machine."""

    packages: dict[str, bool]
    """Debian package → whether all of its files are here."""
    paths: tuple[Path, ...]
    config: str
    """The fontconfig file that shows these and nothing else."""
    sha256: str
    """Of the rules and of every file's name and bytes."""

    @property
    def missing(self) -> list[str]:
        """Required packages that are not here: pages are drawn all the same, with whatever is left."""
        return [package for package in REQUIRED if not self.packages[package]]


@cache
def font_set() -> FontSet:
    """Look for the pinned fonts, once per process."""
    wanted = REQUIRED | OPTIONAL
    found = {
        package: [FOLDER / name for name in names if (FOLDER / name).is_file()] for package, names in wanted.items()
    }
    paths = tuple(path for package in found.values() for path in package)
    template = (files("viscodex.sandbox") / "fonts.conf").read_text(encoding="utf-8")
    folders = sorted({path.parent for path in paths})
    accepted = "".join(f"<glob>{path}</glob>" for path in (*folders, *paths))
    config = template.replace("FOLDERS", "".join(f"<dir>{folder}</dir>" for folder in folders))
    config = config.replace("ACCEPTED", accepted)
    return FontSet(
        packages={package: len(found[package]) == len(names) for package, names in wanted.items()},
        paths=paths,
        config=config,
        sha256=_fingerprint(config, paths),
    )


def _fingerprint(config: str, paths: tuple[Path, ...]) -> str:
    whole = hashlib.sha256(config.encode())
    for path in paths:
        whole.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
