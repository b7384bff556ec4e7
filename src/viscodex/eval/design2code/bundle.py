"""Draw the screenshots of the bundled pages anew: `python -m viscodex.eval.design2code.bundle`."""

from __future__ import annotations

import io
import sys
from importlib.resources import files
from pathlib import Path

import PIL.Image

from viscodex.core.rundir import atomic_write
from viscodex.eval.design2code.drawing import draw
from viscodex.sandbox.browser import Browser


def bundled_folder() -> Path:
    """Where the pages are: N.html beside N.png."""
    return Path(str(files("viscodex.eval.design2code") / "bundled"))


def draw_screenshots(folder: Path, browser: Browser) -> None:
    """N.png for every N.html, as small as PNG can be without loss."""
    for page in sorted(folder.glob("*.html")):
        png = draw(browser, page.read_text(encoding="utf-8")).png
        small = io.BytesIO()
        PIL.Image.open(io.BytesIO(png)).convert("RGB").save(small, "PNG", optimize=True)
        atomic_write(page.with_suffix(".png"), small.getvalue())


if __name__ == "__main__":
    with Browser() as browser:
        draw_screenshots(Path(sys.argv[1]) if sys.argv[1:] else bundled_folder(), browser)
