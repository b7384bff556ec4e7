"""Our pictures against Playwright's `screenshot(full_page=True, animations="disabled")`: the published scorer's."""

from __future__ import annotations

import io
import os

import numpy as np
import PIL.Image
import pytest

from viscodex.sandbox import browser, chromium
from viscodex.sandbox.browser import render_page
from viscodex.sandbox.fonts import font_set
from viscodex.sandbox.origin import URL, placeholder

playwright = pytest.importorskip("playwright.sync_api", reason="the yardstick: pip install playwright")

TEXT = "".join(
    f"<p>Paragraph {n} with <b>bold</b>, <i>italic</i> and <a href=#>linked</a> text.</p>" for n in range(40)
)
PAGES = {
    "text": f"<h1>Heading</h1>{TEXT}",
    "doctype and fonts": f'<!doctype html><html lang=en><body style="font:14px/1.5 Helvetica,sans-serif">{TEXT}',
    "window units": '<div style="height:100vh;background:linear-gradient(red,blue)">a</div><div style="height:150vh">',
    "fixed and sticky": f"""<div style="position:fixed;top:0;background:gold;width:100%">bar</div>{TEXT}
        <div style="position:sticky;bottom:0;background:lime">foot</div>""",
    "scrolled": f"""{TEXT}<div style="position:fixed;top:0;background:gold">bar</div>
        <script>scrollTo(0, 300)</script>""",
    "wide": '<div style="width:3000px;height:900px;background:linear-gradient(90deg,red,blue)">wide</div>',
    "forms": """<input autofocus value="focused"><button>b</button><select><option>one</select>
        <input type=checkbox checked><input type=range><textarea>text</textarea><progress value=0.4></progress>
        <meter value=0.6></meter>""",
    "animations": """<style>@keyframes a { from { margin-left: 0 } to { margin-left: 300px } }
        div { animation: a 3s both } i { display: block; animation: a 1s infinite }</style><div>a</div><i>b</i>""",
    "transitions": f"""<style>nav {{ transition: all 1s }} @media (min-width: 900px) {{ nav {{ background: navy;
        color: white; padding: 30px }} }}</style><nav>menu</nav>{TEXT}""",
    "mouse": """<style>p { color: red } @media (hover: hover) and (pointer: fine) { p { color: green } }</style><p>x""",
    "pictures": """<img src=rick.jpg width=400><img src=no.png alt=no>
        <div style="height:500px;background:url(rick.jpg) fixed">x</div>""",
    "shadows": """<div style="margin:40px;height:200px;border-radius:30px;box-shadow:0 8px 30px #0008;filter:blur(1px)">
        x</div>""",
    "columns and tables": f'<div style="columns:3">{TEXT}</div><table border=1><tr><th>a<th>b<tr><td>1<td>2</table>',
    "frames": """<iframe srcdoc='<p>inner</p>'></iframe>
        <div style='overflow:auto;height:99px'><p style='height:999px'>x</div>""",
}


@pytest.fixture(scope="module", autouse=True)
def own_browsers():
    yield
    browser.close_browsers()


@pytest.fixture(scope="module")
def yardstick(tmp_path_factory):
    """Playwright with the same browser and the same fonts, unboxed: these pages are ours."""
    config = tmp_path_factory.mktemp("fonts") / "fonts.conf"
    config.write_text(font_set().config)
    environment = os.environ | {"FONTCONFIG_FILE": str(config), "TZ": "UTC"}
    with playwright.sync_playwright() as driver:
        path, arguments = chromium.find().path, ["--no-sandbox", "--disable-gpu"]
        shell = driver.chromium.launch(executable_path=path, args=arguments, env=environment)
        yield shell
        shell.close()


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("name", PAGES)
def test_a_picture_equals_playwrights(yardstick, name):
    html = PAGES[name]

    def answer(route):
        if route.request.url == URL:
            route.fulfill(body=html, content_type="text/html; charset=utf-8")
        elif route.request.url.endswith("/rick.jpg"):
            route.fulfill(body=placeholder(), content_type="image/jpeg")
        else:
            route.abort()

    tab = yardstick.new_page()
    tab.route("**/*", answer)
    tab.goto(URL)
    theirs = pixels(tab.screenshot(full_page=True, animations="disabled"))
    tab.close()
    ours = pixels(render_page(html).png)
    assert ours.shape == theirs.shape
    difference = np.abs(ours.astype(int) - theirs).max(axis=2)
    # its own pictures differ by a few such pixels from one another; ours do not
    assert difference.max() <= 2 and (difference > 0).sum() <= 20, f"{(difference > 0).sum()} pixels"
