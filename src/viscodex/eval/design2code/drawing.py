"""Pages drawn for measuring: as they are, and with their texts painted; and whose fault it is when one is not drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from viscodex.core.errors import VisCodexError
from viscodex.eval.design2code import palette
from viscodex.eval.design2code.failure import PageFailedError
from viscodex.eval.design2code.source_text import NUMBER, TEXT_TAGS
from viscodex.sandbox.browser import Browser
from viscodex.sandbox.pages import Page, PageLimits, Status, Variant, View

LIMITS = PageLimits(cpu_s=20.0, wall_s=120.0)
USUAL_PAINTS = 2
"""An endless page reaches the CPU limit long before the other, even where the machine is busy with more."""
GUILTY: tuple[Status, ...] = ("memory", "output_limit", "too_large", "navigated")
WELL = "<!DOCTYPE html><title>well</title><p>Is the browser well?</p>"
NO_SIZE = "no size"


@dataclass(frozen=True)
class Paint:
    """Two variants that paint the same elements: the first copy's colours, then the second's."""

    owners: bool
    """Whether elements that own text are painted beside the published text tags."""
    part: int = 0
    """Which 4,096 of them."""
    written: tuple[str, str] | None = None
    """The page's source and its numbered copy, to be compared by the browser's parser."""
    if_another: bool = False
    """Only where the paint before can be no stand-in for this one, and the page is as it was written."""

    def variants(self) -> tuple[Variant, Variant]:
        first: dict[str, Any] = {"tags": sorted(TEXT_TAGS), "owners": self.owners, "part": self.part, "shift": 0}
        first |= {"attribute": NUMBER, "ifAnother": self.if_another}
        second = first | {"shift": palette.SHIFT}
        return _variant(first | {"written": self.written}), _variant(second)


def draw(browser: Browser, html: str, paints: Sequence[Paint] = (), *, capture: bool = True) -> Page:
    """A page with two captures for each paint. Raises PageFailedError, or VisCodexError when the fault is ours."""
    variants = tuple(variant for paint in paints for variant in paint.variants())
    limits = replace(LIMITS, cpu_s=LIMITS.cpu_s * max(1, len(paints) / USUAL_PAINTS))
    view = View(capture=capture, text_blocks=False, variants=variants, limits=limits)
    page = browser.render(html, view)
    if page.ok:
        return page
    if not _is_the_pages_fault(page, limits, browser):
        raise VisCodexError(f"the browser failed on a page: {page.status}: {page.detail}", hint="viscodex doctor")
    raise PageFailedError(page.status, page.detail)


def _is_the_pages_fault(page: Page, limits: PageLimits, browser: Browser) -> bool:
    """A page that took the CPU it may have is guilty; one that waited, or died, if a good page is drawn after it."""
    if page.status in GUILTY:
        return True
    if page.status == "error":  # a script of ours failed in it
        return NO_SIZE in page.detail
    if page.status == "timeout" and page.cpu_s >= limits.cpu_s / 2:
        return True
    return browser.render(WELL, View(text_blocks=False)).ok


def value_of(page: Page, paint: int) -> Mapping[str, Any]:
    """What the first variant of a paint told of the page; see recolour.js."""
    value: Mapping[str, Any] = page.captures[2 * paint].value
    return value


def _variant(settings: Mapping[str, Any]) -> Variant:
    # JSON is JavaScript: but for lone surrogates, which it escapes.
    return Variant(script=f"() => (\n{_script()}\n)({json.dumps(settings)})")


@cache
def _script() -> str:
    return (files("viscodex.eval.design2code") / "recolour.js").read_text(encoding="utf-8").strip()
