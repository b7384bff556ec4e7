"""Draw a page, hold it against every rule, and make the pair: screenshot and instruction → HTML."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from importlib import resources

import PIL.Image

from viscodex.core.sample import Sample
from viscodex.data.checks import changed, finished
from viscodex.data.html.rules import problem_of_page, problem_of_picture, visible_characters
from viscodex.data.html.seeds import STYLE
from viscodex.data.html.settings import Settings
from viscodex.data.html.vendored import served, with_styles
from viscodex.data.wording import draw, options
from viscodex.runner.stage import Keep, Reject
from viscodex.sandbox.browser import Browser
from viscodex.sandbox.pages import Page, Variant, View

INSTRUCTIONS = "html-instructions-1"
MOST_CHANGED = 0.01
"""Share of the pixels that may differ between a page and the same page with only the rules it uses."""


@cache
def script(name: str) -> str:
    """A packaged script that asks a page something."""
    return resources.files("viscodex.data.html").joinpath(f"{name}.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Render:
    """The stage: a page is drawn as it is; where its styles come from a library, again with the rules it uses."""

    settings: Settings

    def __call__(self, browser: Browser, sample: Sample) -> Keep[Sample] | Reject:
        page = self._look(browser, sample.response, sample.checks.get(STYLE, "plain"))
        if problem := problem_of_page(page, self.settings):
            return problem
        made = self._slimmed(browser, sample, page)
        if isinstance(made, Reject):
            return made
        html, page = made
        if len(html) > self.settings.max_code:
            return Reject("too_long", f"{len(html)} characters")
        picture = _picture(page)
        if problem := problem_of_picture(picture, self.settings):
            return problem
        instruction = draw(options(INSTRUCTIONS), self.settings.seed, sample.id, "instruction")
        facts = {"text_characters": visible_characters(page), "exec_s": round(page.cpu_s, 3)}
        whole = sample.model_copy(update={"response": html})
        return Keep(finished(whole, page.png, picture, instruction, **facts))

    def _look(self, browser: Browser, html: str, style: str) -> Page:
        """The page drawn and measured; unless it is plain, the rules that it uses come as the last capture's value."""
        asked = [Variant(script=script("measure"), capture=False)]
        if style != "plain":
            asked.append(Variant(script=script("used_styles"), capture=False))
        files = served() if style in ("tailwind", "bootstrap") else {}
        return browser.render(html, View(width=self.settings.width, files=files, variants=tuple(asked), compact=True))

    def _slimmed(self, browser: Browser, sample: Sample, page: Page) -> tuple[str, Page] | Reject:
        """The page with only the rules it uses, if it looks the same.

        To the last pixel it need not: the browser writes `66.66666667%` as `66.6667%`, and a line may move by a hair.
        The pair's picture is taken of the page that is kept, in any case.
        """
        style = sample.checks.get(STYLE, "plain")
        if style == "plain":
            return sample.response, page
        slim = with_styles(sample.response, str(page.captures[1].value))
        again = self._look(browser, slim, "plain")
        if again.ok and not again.blocked_urls and changed(_picture(again), _picture(page)) <= MOST_CHANGED:
            return slim, again
        if style == "inlined":
            return sample.response, page
        return Reject("not_self_contained", f"looks otherwise without {style}: {again.detail or 'other pixels'}")


def _picture(page: Page) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(page.png)).convert("RGB")
