"""Pages as they should be: pictures, text, variants, records; and equal bytes every time."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from viscodex.core.errors import VisCodexError
from viscodex.sandbox import browser, chromium
from viscodex.sandbox.backends import ISOLATING, problem
from viscodex.sandbox.browser import Browser, render_page, render_pages
from viscodex.sandbox.origin import placeholder
from viscodex.sandbox.pages import Page, PageLimits, Variant, View


@pytest.fixture(scope="module", autouse=True)
def own_browsers():
    """They would live until the tests are over."""
    yield
    browser.close_browsers()


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(png)).convert("RGB"))


def texts(page: Page) -> list[str]:
    return [block.text for block in page.text_blocks]


def test_a_page_is_drawn_whole():
    page = render_page('<body style="margin:0"><div style="height:1500px;background:#0a141e">')
    assert (page.status, page.width, page.height) == ("ok", 1280, 1500)
    drawn = pixels(page.png)
    assert drawn.shape == (1500, 1280, 3)
    assert (drawn == (10, 20, 30)).all()


def test_a_short_page_is_as_tall_as_the_window():
    page = render_page("hello", View(width=800, height=600))
    assert (page.width, page.height) == (800, 600)


def test_the_window_stays_a_window():
    """A full-page picture must not stretch what is as tall as the window, nor move what is fixed to it."""
    page = render_page(
        '<body style="margin:0"><div style="height:100vh;background:red"></div><div style="height:2000px"></div>'
        '<div style="position:fixed;bottom:0;width:100%;height:20px;background:blue"></div>'
        '<script>onresize = () => { document.body.style.background = "lime" }</script>'
    )
    column = pixels(page.png)[:, 600]
    assert page.height == 2720
    assert (column[:700] == (255, 0, 0)).all() and (column[700:720] == (0, 0, 255)).all()
    assert (column[720:] == 255).all()


WINDOW = """<body style="margin:0"><p style="height:3000px">x</p><output id=seen></output><script>
const seen = new Set(), look = () => {
  seen.add([innerWidth, innerHeight, outerWidth, outerHeight, screen.width, screen.height, visualViewport.width,
    visualViewport.height, document.documentElement.clientWidth, matchMedia("(min-device-width: 1000px)").matches,
    document.visibilityState, document.hasFocus()].join(" "));
  document.getElementById("seen").textContent = [...seen].join("; ");
}, note = (event) => { seen.add(event.type); look() };
look(); setInterval(look, 1); (function frame() { look(); requestAnimationFrame(frame) })();
for (const name of ["resize", "scroll", "focus", "blur"]) addEventListener(name, note);
visualViewport.addEventListener("resize", note);
new IntersectionObserver(([entry]) => { seen.add("root " + entry.rootBounds.height); look() }).observe(document.body);
</script>"""


def test_a_page_sees_one_window_from_its_first_script_to_its_last_picture():
    """Whatever the tab is made to be, before, between and while pictures are taken."""
    pause = Variant(script="() => new Promise((resolve) => setTimeout(resolve, 200))")
    told = Variant(script="() => document.getElementById('seen').textContent", capture=False)
    page = render_page(WINDOW, View(width=1100, height=600, variants=(pause, pause, told)))
    sights = set(page.captures[-1].value.split("; "))
    assert sights == {"1100 600 1100 600 1100 600 1100 600 1100 true visible true", "root 600"}


def test_text_blocks_tell_what_stands_where_in_which_colour():
    page = render_page(
        '<body style="margin:0"><p style="position:absolute;left:100px;top:900px;margin:0;font:20px Arial;'
        'color:#0b1621">Hello   there</p><p style="color:oklch(0 0 0 / 0.5)">faint</p>'
        '<p style="visibility:hidden">hidden</p><p style="display:none">nowhere</p><script>let code</script>'
    )
    hello, faint, hidden = page.text_blocks
    assert (hello.text, hello.tag, hello.color, hello.alpha, hello.font_size) == (
        "Hello   there",
        "p",
        (11, 22, 33),
        1,
        20,
    )
    assert (hello.x, hello.visible) == (100, True) and 900 <= hello.y < 905 and 15 < hello.height < 30
    ink = np.argwhere(pixels(page.png)[890:930].min(axis=2) < 128)
    assert ink[:, 1].min() >= hello.x and ink[:, 1].max() <= hello.x + hello.width
    assert faint.color == (0, 0, 0) and faint.alpha == pytest.approx(0.5, abs=0.01)
    assert (hidden.text, hidden.visible) == ("hidden", False)


def test_the_placeholder_stands_for_every_picture():
    assert PIL.Image.open(io.BytesIO(placeholder())).size == (1920, 1080)
    page = render_page('<body style="margin:0"><img src="rick.jpg" style="width:100px;height:100px;display:block">')
    assert (pixels(page.png)[:100, :100] == (0, 0, 254)).all()
    assert page.blocked_urls == ()


def test_files_of_the_caller_are_served_and_others_are_not():
    view = View(files={"css/site.css": b"body { color: rgb(1, 2, 3) }", "rick.jpg": b"not a picture"})
    page = render_page('<link rel=stylesheet href="css/site.css"><link rel=stylesheet href="/css/no.css">x', view)
    assert page.text_blocks[0].color == (1, 2, 3)
    assert page.blocked_urls == ("http://page.invalid/css/no.css",)


def test_variants_change_the_live_page_one_after_the_other():
    paint = "() => {{ document.querySelector('p').style.background = '{}'; return document.title }}"
    page = render_page(
        '<title>t</title><body style="margin:0"><p style="margin:0;height:720px;transition:background 9s">x',
        View(
            capture=False,
            variants=(
                Variant(script=paint.format("#010203")),
                Variant(script="async () => { document.body.style.paddingTop = '80px' }"),
                Variant(script="() => [innerHeight, document.body.innerText]", capture=False),
                Variant(script="() => false"),
            ),
        ),
    )
    first, second, third, unwanted = page.captures
    assert page.png == b"" and page.ok and unwanted.png == b""
    assert first.value == "t" and (pixels(first.png)[100:, :] == (1, 2, 3)).all()  # the transition is at its end
    assert (second.width, second.height) == (1280, 800) and (pixels(second.png)[100:] == (1, 2, 3)).all()
    assert third.png == b"" and third.value == [720, "x"]


def test_a_variant_that_fails_is_an_error_with_its_reason():
    page = render_page("x", View(variants=(Variant(script="() => nothing.at.all"),)))
    assert page.status == "error" and "nothing is not defined" in page.detail
    assert page.png  # what was there before is kept


def test_errors_of_the_page_are_told():
    page = render_page('<script>console.error("bad", 3, {}); null.x</script><script>syntax error</script>ok')
    assert page.ok and texts(page) == ["ok"]
    assert page.console_errors == (
        "bad 3 Object",
        "TypeError: Cannot read properties of null (reading 'x')",
        "SyntaxError: Unexpected identifier 'error'",
    )


def test_a_picture_comes_with_what_it_depends_on():
    environment = render_page("x").environment
    assert "Chrom" in environment.browser and environment.executable == chromium.find().path
    assert len(environment.fonts_sha256) == 64 and "fonts-liberation" in environment.fonts
    assert environment.isolation in ISOLATING


def test_compact_pictures_have_the_same_pixels():
    html = '<h1 style="background:linear-gradient(red,blue)">Hello</h1>' * 20
    fast, compact = render_page(html), render_page(html, View(compact=True))
    assert len(compact.png) < len(fast.png)
    assert (pixels(compact.png) == pixels(fast.png)).all()


UNRULY = """<!doctype html><title>x</title>
<style>
@keyframes in { from { opacity: 0; left: -300px } to { opacity: 1; left: 0 } }
@keyframes spin { to { transform: rotate(1turn) } }
h1 { position: relative; animation: in 2s 1s both } i { display: inline-block; animation: spin 1s infinite }
@media (min-width: 900px) { nav { background: #222; transition: background 1s } }
</style>
<nav>menu</nav><h1>Entry</h1><i>spinner</i><marquee>Running text that runs and runs</marquee>
<svg width=100 height=40><rect width=20 height=20><animate attributeName=x from=0 to=80 dur=3s repeatCount=indefinite />
</rect></svg>
<img src="data:image/gif;base64,GIF"> <input autofocus value="caret"> <progress></progress>
<p id=p></p><img src=rick.jpg loading=lazy style="display:block;margin-top:9000px" width=300>
<script>
p.textContent = [new Date(), Date(), Date.now(), Math.random(), new Date(2020, 1, 1).getTime()].join(" ")
const end = Date.now() + 500; while (Date.now() < end);
setInterval(() => document.title += "x", 1)
</script>"""


def moving_gif() -> str:
    import base64

    frames = [PIL.Image.new("RGB", (60, 60), color) for color in ("red", "lime", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=20, loop=0)
    return base64.b64encode(buffer.getvalue()).decode()


def test_thirty_times_the_same_bytes():
    html = UNRULY.replace("GIF", moving_gif())
    with Browser() as other:
        renders = itertools.chain((render_page(html) for _ in range(20)), (other.render(html) for _ in range(10)))
        pages = list(renders)
    assert {page.status for page in pages} == {"ok"}
    assert len({page.png for page in pages}) == 1
    assert len({page.text_blocks for page in pages}) == 1
    assert (
        pages[0].height > 9000 and (pixels(pages[0].png)[-100, 50] == (0, 0, 254)).all()
    )  # no lazy picture is missing


def test_variants_give_the_same_bytes_every_time():
    """A page that has changed is drawn whole, not mended: seams would lie where chance has put them."""
    card = '<div style="border-radius:9px;border:1px solid #777;margin:9.5px;padding:7px">Card <b>text</b></div>'
    recolour = Variant(script="() => document.querySelectorAll('div,b').forEach((node) => node.style.color = 'red')")
    sticky = '<nav style="position:sticky;top:0;overflow:auto;height:300px;margin-top:1500px">menu<p>more'
    html = f'<body style="font:14.3px Arial">{card * 60}{sticky}'
    pages = [render_page(html, View(text_blocks=False, variants=(recolour, recolour))) for _ in range(6)]
    for pictures in zip(*((page.png, *(capture.png for capture in page.captures)) for page in pages), strict=True):
        assert len(set(pictures)) == 1


def test_parts_with_layers_of_their_own_are_in_every_picture():
    """A sidebar that scrolls loses its opaque ground and is a layer no more: it must not be missing meanwhile."""
    html = (Path(__file__).parents[1] / "golden" / "design2code" / "ref" / "pydoc_about.html").read_text("utf-8")
    clear = "for (const node of document.querySelectorAll('*')) node.style.setProperty('background-color', '#fff0')"
    scripts = (f"() => {{ {clear}; document.body.style.color = '{color}' }}" for color in ("red", "lime"))
    recolour = [Variant(script=script) for script in scripts]
    pages = [render_page(html, View(text_blocks=False, variants=tuple(recolour))) for _ in range(15)]
    for pictures in zip(*((page.png, *(capture.png for capture in page.captures)) for page in pages), strict=True):
        assert len(set(pictures)) == 1


def test_many_pages_come_back_in_order():
    sizes = list(range(800, 1600, 100))
    sources = (f'<body style="margin:0"><div style="height:{size}px">{size}' for size in sizes)
    pages = render_pages(sources, View(text_blocks=False), parallel=2)
    assert [page.height for page in pages] == sizes


def test_a_worn_browser_is_replaced(monkeypatch):
    monkeypatch.setattr(browser, "PAGES_PER_BROWSER", 3)
    with Browser() as worn:
        launchers = set()
        for _ in range(7):
            assert worn.render("x", View(capture=False)).ok
            launchers.add(worn._running.boxed.launcher)
    assert len(launchers) == 3


def test_a_browser_that_dies_at_its_start_is_started_again(monkeypatch):
    """Chromium itself has been seen to end by a segmentation fault before its first page."""
    well, started = chromium.start, []

    def sometimes(executable: chromium.Chromium, *rest: object) -> chromium.Running:
        started.append(executable)
        return well(executable if len(started) == 3 else chromium.Chromium("/bin/false"), *rest)

    monkeypatch.setattr(chromium, "start", sometimes)
    with Browser() as held:
        assert held.render("x", View(capture=False)).ok
        assert len(started) == 3


def test_a_browser_that_never_starts_is_an_error():
    with (
        Browser(executable=chromium.Chromium("/bin/false")) as held,
        pytest.raises(VisCodexError, match="does not answer"),
    ):
        held.render("x")


def test_every_back_end_draws_the_same():
    pages = {}
    for backend in ISOLATING:
        if problem(backend):
            pytest.skip(problem(backend))
        with Browser(backend=backend) as held:
            pages[backend] = held.render("<h1>Hello</h1><img src=rick.jpg width=50><img src=http://127.0.0.1/>")
    assert {page.environment.isolation for page in pages.values()} == set(ISOLATING)
    assert len({(page.status, page.png, page.blocked_urls) for page in pages.values()}) == 1


def test_a_browser_can_be_named(monkeypatch):
    monkeypatch.setenv(chromium.VARIABLE, "/no/such/browser")
    chromium.find.cache_clear()
    with pytest.raises(Exception, match=r"no Chromium .* at /no/such/browser"):
        chromium.find()
    monkeypatch.delenv(chromium.VARIABLE)
    chromium.find.cache_clear()
    assert chromium.find().path


def test_limits_of_one_page_do_not_bind_the_next():
    assert render_page('<div style="height:2000px">', View(limits=PageLimits(side=1000))).status == "too_large"
    assert render_page('<div style="height:2000px">').ok
