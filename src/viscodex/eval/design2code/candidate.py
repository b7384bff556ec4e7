"""A model's answer as the two protocols read it and see it."""

from __future__ import annotations

from typing import Any

from viscodex.eval.benchmark import Rules
from viscodex.eval.design2code.answer import answered_page, published_page
from viscodex.eval.design2code.failure import PageFailedError
from viscodex.eval.design2code.published import Prepared, prepare
from viscodex.eval.design2code.sight import Seen, Sight, attempt, look, look_fixed, look_published
from viscodex.model.generate import Completion
from viscodex.sandbox.browser import Browser

PLACEHOLDER = "rick.jpg"
NO_PAGE = PageFailedError("no_page", "the answer holds no HTML")


class Candidate:
    """An answer's page under `fixed`, and what `paper` prepares of it, or why that fails."""

    def __init__(self, completion: Completion) -> None:
        self.page = without_surrogates(answered_page(completion)).strip()
        self._published = without_surrogates(published_page(completion.text or completion.code))
        self.prepared: Prepared | PageFailedError
        try:
            self.prepared = prepare(self._published)
        except PageFailedError as failure:
            self.prepared = failure

    def look(self, browser: Browser) -> Seen:
        """Once for both protocols, where both show the same page."""
        prepared = self.prepared
        is_shared = self.page == self._published.strip()
        if is_shared and self.page and isinstance(prepared, Prepared) and prepared.is_same_text:
            return look(browser, self.page, prepared.html)
        fixed: Sight | PageFailedError = NO_PAGE
        if self.page:
            fixed = attempt(look_fixed, browser, self.page)
        if isinstance(prepared, PageFailedError):
            return {"fixed": fixed, "paper": prepared}
        return {"fixed": fixed, "paper": attempt(look_published, browser, prepared.html)}

    def evidence(self, rules: Rules) -> dict[str, Any]:
        """What was cut, and whether pictures are where they should be."""
        found: dict[str, Any] = {"truncated_from": None, "truncated_to": None}
        if rules == "fixed" or isinstance(self.prepared, PageFailedError):
            return found | {"placeholder_found": PLACEHOLDER in self.page}
        if self.prepared.length_cut < self.prepared.length_before:
            found |= {"truncated_from": self.prepared.length_before, "truncated_to": self.prepared.length_cut}
        return found | {"placeholder_found": PLACEHOLDER in self.prepared.html}


def without_surrogates(html: str) -> str:
    """Without halves of surrogate pairs, which no file and no browser can hold."""
    return html.encode("utf-8", "replace").decode()
