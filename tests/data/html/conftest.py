"""One browser for a module's tests, and the stage that draws pages. None is left open for the sandbox's own tests."""

from __future__ import annotations

import pytest

from viscodex.core.sample import Sample
from viscodex.data.html.render import Render
from viscodex.data.html.settings import Settings
from viscodex.sandbox.browser import Browser

WORDS = "Bread is baked here every morning, from rye of the valley and water of the well. " * 6


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def render(browser):
    """`render(page, css="plain", **settings)`: the stage's verdict."""

    def judge(page: str, css: str = "plain", **settings):
        sample = Sample(id="html-1", kind="html", prompt=(), response=page, checks={"css": css})
        return Render(Settings(**settings))(browser, sample)

    return judge
