"""Libraries are served offline, and what a page uses of them is written into it: the same look, nothing fetched."""

from __future__ import annotations

import pytest
from tests.data.html.conftest import WORDS

from viscodex.data.html.vendored import localised, served, style_of, with_styles
from viscodex.runner.stage import Keep, Reject

BOOTSTRAP = f"""<!DOCTYPE html>
<html lang="en">
<head>
<title>Bakery</title>
<link href="https://cdn.jsdelivr.net/npm/bootstrap@5.3.3/dist/css/bootstrap.min.css" rel="stylesheet" integrity="x">
<style>.mine {{ letter-spacing: 1px }} .unused {{ color: lime }}</style>
</head>
<body>
<nav class="navbar navbar-dark bg-dark"><a class="navbar-brand mine" href="#">Bakery</a></nav>
<div class="container"><div class="row"><div class="col-4"><div class="card p-3">{WORDS}</div></div>
<div class="col-8"><button class="btn btn-primary">Order</button><p>{WORDS}</p></div></div></div>
<script src="https://cdn.jsdelivr.net/npm/bootstrap@5.3.3/dist/js/bootstrap.bundle.min.js"></script>
</body>
</html>"""

TAILWIND = f"""<!DOCTYPE html>
<html lang="en">
<head><title>Bakery</title><script src="https://cdn.tailwindcss.com"></script></head>
<body class="bg-amber-50">
<header class="bg-slate-900 text-white p-6 text-3xl font-bold">Bakery</header>
<main class="grid grid-cols-3 gap-4 p-8"><p class="col-span-2 text-lg">{WORDS}</p>
<p class="rounded-xl bg-white shadow-lg p-4 hover:bg-red-500 md:text-sm">{WORDS}</p></main>
</body>
</html>"""


@pytest.mark.parametrize(("page", "css"), [(BOOTSTRAP, "bootstrap"), (TAILWIND, "tailwind")])
def test_a_page_keeps_its_look_without_its_library(browser, render, page, css):
    local = localised(page)
    assert "https://" not in local
    assert style_of(local) == css
    verdict = render(local, css)
    assert isinstance(verdict, Keep), verdict
    html = verdict.row.response
    assert len(html) < 20_000
    assert html.count("<style>") == 1
    assert "<script" not in html and "<link" not in html
    assert style_of(html) == "plain"
    alone = browser.render(html)
    assert alone.ok and not alone.blocked_urls
    assert alone.width == verdict.row.checks["width"]
    bare = browser.render(with_styles(local, ""))
    assert bare.png != alone.png  # the rules that were written in are what makes the look


def test_unused_rules_are_left_out(render):
    html = render(localised(BOOTSTRAP), "bootstrap").row.response
    assert ".mine" in html and ".unused" not in html
    assert ".btn-primary" in html and ".btn-secondary" not in html
    assert "--bs-teal" not in html


def test_a_library_that_is_not_announced_is_an_external_fetch(render):
    verdict = render(localised(BOOTSTRAP), "plain")
    assert isinstance(verdict, Reject) and verdict.reason == "external_fetch"


def test_other_addresses_stay(render):
    page = "<link rel=stylesheet href='https://fonts.example.com/css?family=Inter'><script src='https://example.com/a.js'></script>"
    assert localised(page) == page


def test_the_libraries_come_with_their_licences(repository):
    folder = repository / "src/viscodex/data/html/vendored"
    assert set(served()) == {"bootstrap.min.css", "tailwind.js"}
    assert all("MIT License" in (folder / f"LICENSE.{name}").read_text() for name in ("bootstrap", "tailwind"))
