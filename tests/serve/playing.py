"""Two models that say what a test wrote down, behind the real server; and Chromium in front of its playground."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.endpoint import Call, Endpoint, Says
from viscodex.sandbox import chromium
from viscodex.sandbox.fonts import font_set
from viscodex.serve.upstream import Upstream

SHOP = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Shop</title><style>
body { margin: 0; font-family: Arial, sans-serif; background: #fffaf4; color: #2b2622 }
header { background: COLOUR; color: #fff; padding: 22px 64px; font-size: 24px; font-weight: bold }
main { padding: 48px 64px } h1 { font-size: 48px; margin: 0 0 16px }
.go { background: #c4622d; color: #fff; padding: 14px 28px }
</style></head><body><header>Birch &amp; Bean</header>
<main><h1>Slow coffee, roasted on Fridays</h1><p>Small lots from five farms.</p>
<p><a class="go">Order a bag</a></p></main>
</body></html>"""
CHART = """import matplotlib.pyplot as plt
seasons = ["Spring", "Summer", "Autumn", "Winter"]
fig, ax = plt.subplots(figsize=(6.4, 4.2))
ax.bar(seasons, [12, 19, 7, 15], color="#1b6ca8")
ax.set_title("Visitors a season")
fig.tight_layout()
plt.show()"""
PATTERN = 'for row in range(1, 7):\n    print(" " * (6 - row) + " ".join("*" * row))'


def fenced(code: str, language: str) -> str:
    return f"Here it is.\n\n```{language}\n{code}\n```\n"


def shop(colour: str) -> str:
    return SHOP.replace("COLOUR", colour)


def says(text: str, pause: float = 0.0) -> Says:
    """In lines, as a model writes them."""
    return Says(text, pieces=text.splitlines(keepends=True), pause=pause)


def answer(call: Call, colour: str) -> Says:
    """By what was asked last."""
    last = call.body["messages"][-1]["content"]
    words = last if isinstance(last, str) else last[-1]["text"]
    if "blue" in words:
        return says(fenced(shop("#1f4fa3"), "html"))
    if "slowly" in words:
        return says(fenced(shop(colour), "html"), pause=0.25)
    if "wrong" in words:
        return says(fenced("import matplotlib.pyplot as plt\nplt.bar([1], [undefined])", "python"))
    if "chart" in words:
        return says(fenced(CHART, "python"))
    if "pattern" in words:
        return says(fenced(PATTERN, "python"))
    if "breaks" in words:
        return Says(fenced(shop(colour), "html"), breaks_off=True)
    return says(fenced(shop(colour), "html"))


@contextmanager
def two_models() -> Iterator[Any]:
    """`engines(metrics)` for the server: merged and plain, who differ in a colour."""
    with (
        Endpoint(lambda call: answer(call, "#2f4f3e")) as merged,
        Endpoint(lambda call: answer(call, "#7a3a17")) as plain,
    ):
        yield lambda metrics: [Upstream("merged", merged.url), Upstream("plain", plain.url)]


@contextmanager
def browser(folder: Path) -> Iterator[Any]:
    """Playwright's, with the sandbox's Chromium and fonts; unboxed, since the pages around the previews are ours."""
    from playwright.sync_api import sync_playwright

    config = folder / "fonts.conf"
    config.write_text(font_set().config)
    environment = os.environ | {"FONTCONFIG_FILE": str(config), "TZ": "UTC"}
    with sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu"]
        found = driver.chromium.launch(executable_path=chromium.find().path, args=flags, env=environment)
        yield found
        found.close()
