"""From a raw seed to one that a model can look at: a screenshot that can be decoded, or a page made whole and drawn."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import PIL.Image

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Image, Sample
from viscodex.data.checks import decoded
from viscodex.data.html.self_contained import self_contained
from viscodex.data.html.settings import Settings
from viscodex.data.inputs import text
from viscodex.runner.stage import Keep, Reject
from viscodex.sandbox.browser import Browser
from viscodex.sandbox.pages import View

PAGE, STYLE = "page", "css"
"""Facts: the folder and file that a page is read from (until it is), and how a page is styled."""
SMALLEST, LARGEST = 64, 4096
"""Sides of a seed's picture; larger ones are cut or scaled before a model sees them."""


@dataclass(frozen=True)
class DrawSeed:
    """Decode a screenshot; read a page, and draw it where a model is to look at it."""

    settings: Settings

    def __call__(self, browser: Browser, sample: Sample) -> Keep[Sample] | Reject:
        if PAGE in sample.checks:
            return self._page(browser, sample)
        try:
            picture = decoded(sample.images[0])
        except VisCodexError as error:
            return Reject("unreadable", error.problem)
        if min(picture.size) < SMALLEST:
            return Reject("too_small", f"{picture.width} × {picture.height}")
        return Keep(sample.model_copy(update={"prompt": (shown(picture),)}))

    def _page(self, browser: Browser, sample: Sample) -> Keep[Sample] | Reject:
        checks = dict(sample.checks)
        root, key = checks.pop(PAGE)
        file = Path(root, key)
        html = text(file)
        if isinstance(html, Reject):
            return html
        page = self_contained(html, file.parent, Path(root))
        ready = sample.model_copy(update={"response": page, "checks": checks | {STYLE: "inlined"}})
        if not self.settings.design:
            return Keep(ready)
        drawn = browser.render(page, View(width=self.settings.width, text_blocks=False))
        if not drawn.ok:
            return Reject("page_error", f"{drawn.status}: {drawn.detail}")
        picture = PIL.Image.open(io.BytesIO(drawn.png)).convert("RGB")
        return Keep(ready.model_copy(update={"prompt": (shown(picture),)}))


def shown(picture: PIL.Image.Image) -> Image:
    """A seed as a model gets it: the upper part of very tall pages, very wide ones scaled down."""
    picture = picture.crop((0, 0, picture.width, min(picture.height, 2 * picture.width)))
    picture.thumbnail((LARGEST, LARGEST))
    content = io.BytesIO()
    picture.save(content, "PNG")
    return Image(data=content.getvalue())
