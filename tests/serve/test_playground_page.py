"""The playground as its users have it: real Chromium, the real server, models that say what a test wrote down."""

from __future__ import annotations

import io

import PIL.Image
import pytest

from viscodex.core.sample import Image
from viscodex.model.local import Local
from viscodex.model.prompts import task
from viscodex.serve.playground import SAMPLES

from .conftest import png
from .playing import CHART, PATTERN, browser, shop, two_models

pytest.importorskip("playwright.sync_api", reason="drives the page: pip install playwright")

WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture(scope="module")
def shown(serve):
    """The server of two scripted models."""
    with two_models() as engines:
        yield serve(engines=engines)


@pytest.fixture
def visit(chromium, shown):
    """`visit(served, viewport=WIDE)`: a page whose faults and complaints to the console fail the test."""
    contexts, complaints = [], []

    def open_page(served=shown, viewport=WIDE, **more):
        context = chromium.new_context(viewport=viewport, **more)
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        page.goto(f"http://127.0.0.1:{served.port}/")
        page.locator("#samples button").nth(2).wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def done(page, number=0):
    """Wait until an answer has become something."""
    page.locator(".panel").nth(number).locator("[data-tab=preview][aria-selected=true]").wait_for()


def upload(page, name="shot.png", content=None):
    page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": content or png(1, 720, 1280)})
    page.locator("#facts").filter(has_text="looks like").wait_for()


def tab(page, name, number=0):
    page.locator(".panel").nth(number).locator(f"[data-tab={name}]").click()


def code(page, number=0):
    return page.locator(".panel").nth(number).locator("[data-view=code] code").inner_text()


def test_upload_write_preview_copy_save(visit, tmp_path):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    upload(page)
    assert page.locator("#facts").inner_text() == "shot.png, 1280 × 720, looks like a web page"
    page.keyboard.press("Control+Enter")
    done(page)
    inner = page.frame_locator(".frames iframe")
    assert inner.locator("h1").inner_text() == "Slow coffee, roasted on Fridays"
    assert inner.locator("header").evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(47, 79, 62)"
    assert inner.locator("html").evaluate("() => innerWidth") == 1280  # the picture's, scaled to fit
    page.select_option(".width", "390")
    assert inner.locator("html").evaluate("() => innerWidth") == 390
    tab(page, "code")
    assert code(page) == shop("#2f4f3e")
    page.click(".copy")
    page.locator(".copy", has_text="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == shop("#2f4f3e")
    with page.expect_download() as saved:
        page.click(".save")
    assert saved.value.suggested_filename == "shot.html"
    saved.value.save_as(tmp_path / "shot.html")
    assert (tmp_path / "shot.html").read_text() == shop("#2f4f3e") + "\n"


def test_it_streams_shows_the_page_meanwhile_and_stops(visit, shown):
    page = visit()
    upload(page)
    page.fill("#prompt", "write it slowly")
    page.click("#write")
    page.locator("[data-view=code] code", has_text="header {").wait_for()
    assert "</html>" not in code(page)
    assert page.locator("#write").is_disabled()
    page.frame_locator(".frames iframe").locator("header").first.wait_for()  # beside the code, where there is room
    left = shown.metric("clients_left_total")
    page.keyboard.press("Escape")
    page.locator(".state", has_text="stopped").wait_for()
    assert page.locator(".problem:visible").count() == 0
    assert "header {" in code(page)
    assert page.locator("#write").is_enabled()
    shown.until_idle()
    assert shown.metric("clients_left_total") == left + 1


def test_the_difference(visit):
    page = visit()
    page.click("#samples button >> nth=0")
    page.locator("#facts", has_text="looks like a web page").wait_for()
    page.click("#write")
    done(page)
    tab(page, "compare")
    alike = page.locator(".alike")
    alike.filter(has_text="% alike").wait_for()
    assert 0 < float(alike.inner_text().split()[0]) < 90
    assert page.locator(".boxes div").count() >= 1
    made, wanted = page.locator(".made img"), page.locator(".wanted img")
    opacity = "e => getComputedStyle(e).opacity"
    for amount in ("0", "100"):
        page.locator(".amount").fill(amount)
        assert made.evaluate(opacity) == str(int(amount) // 100)
    assert made.bounding_box() == wanted.bounding_box()  # one upon the other
    page.select_option(".mode", "sides")
    assert made.bounding_box()["x"] > wanted.bounding_box()["x"] + wanted.bounding_box()["width"]
    page.uncheck(".mark")
    assert not page.locator(".boxes").is_visible()


def test_follow_ups_go_on_from_the_version_that_is_shown(visit, shown):
    page = visit()
    upload(page)
    page.click("#write")
    done(page)
    page.fill("#words", "make the header blue")
    page.keyboard.press("Enter")
    page.locator(".versions button", has_text="2: make the header blue").wait_for()
    done(page)
    header = page.frame_locator(".frames iframe").locator("header")
    colour = "e => getComputedStyle(e).backgroundColor"
    page.frame_locator(".frames iframe").locator("html").wait_for()
    page.wait_for_timeout(300)
    assert header.evaluate(colour) == "rgb(31, 79, 163)"
    page.click(".versions button >> nth=0")
    tab(page, "code")
    assert code(page) == shop("#2f4f3e")
    page.fill("#words", "now a third")
    page.click("#revise")
    page.locator(".versions button", has_text="3: now a third").wait_for()
    done(page)


def test_two_models_side_by_side(visit):
    page = visit()
    upload(page)
    page.select_option("#second", "plain")
    page.click("#write")
    done(page, 0)
    done(page, 1)
    assert page.locator(".panel .name").all_inner_texts() == ["merged", "plain"]
    boxes = [page.locator(".panel").nth(number).bounding_box() for number in (0, 1)]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] + boxes[0]["width"] < boxes[1]["x"]
    for number in (0, 1):
        tab(page, "code", number)
    assert (code(page, 0), code(page, 1)) == (shop("#2f4f3e"), shop("#7a3a17"))


def test_charts_and_programs_are_run_by_the_sandbox(visit):
    page = visit()
    for number, (prompt, written) in enumerate((("this chart", CHART), ("this pattern", PATTERN))):
        page.click(f"#samples button >> nth={number + 1}")
        if prompt == "this pattern":
            assert page.locator("#prompt").input_value() == SAMPLES[2]["prompt"]
            page.get_by_label("Program").check()
        page.fill("#prompt", prompt)
        page.click("#write")
        done(page)
        if prompt == "this chart":
            page.locator(".result:visible").wait_for()
            assert page.locator(".result").evaluate("e => e.naturalWidth") == 640
        else:
            page.locator(".output:visible").wait_for()
            assert page.locator(".output").inner_text().rstrip().endswith("* * * * * *")
        tab(page, "code")
        assert code(page) == written


def test_errors_keep_the_code_and_say_why(visit):
    page = visit()
    page.click("#write")
    assert page.locator("#ask-problem").inner_text() == "There is neither a picture nor a word to go by."
    page.click("#samples button >> nth=1")
    page.fill("#prompt", "a wrong one")
    page.click("#write")
    problem = page.locator(".panel .problem")
    problem.filter(has_text="NameError: name 'undefined' is not defined (line 2)").wait_for()
    tab(page, "code")
    assert "plt.bar([1], [undefined])" in code(page)
    page.click(".mend")
    assert "NameError" in page.locator("#words").input_value()
    page.fill("#words", "it breaks")
    page.click("#revise")
    problem.filter(has_text="The engine behind this server broke off.").wait_for()
    assert "Slow coffee" in code(page)


def test_pictures_that_cannot_be_taken(visit):
    page = visit()
    for name, kind, content, words in (
        ("notes.txt", "text/plain", b"hi", "“notes.txt” is no picture."),
        ("broken.png", "image/png", b"hi", "“broken.png” cannot be shown"),
    ):
        page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": content})
        page.locator("#ask-problem", has_text=words).wait_for()
    assert not page.locator("#picture").is_visible()
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60"><rect width="9" height="6"/></svg>'
    page.set_input_files("#file", {"name": "a.svg", "mimeType": "image/svg+xml", "buffer": svg})  # drawn anew as PNG
    page.locator("#facts", has_text="a.svg, 90 × 60, looks like").wait_for()


def test_a_picture_is_pasted_or_dropped(visit):
    page = visit()
    page.evaluate(
        """() => new Promise((resolve) => {
            const canvas = Object.assign(document.createElement("canvas"), {width: 300, height: 200});
            canvas.toBlob((blob) => {
                const data = new DataTransfer();
                data.items.add(new File([blob], "pasted.png", {type: "image/png"}));
                document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, cancelable: true}));
                const dropped = new DataTransfer();
                dropped.items.add(new File([blob], "dropped.png", {type: "image/png"}));
                setTimeout(() => document.dispatchEvent(new DragEvent("drop", {dataTransfer: dropped})), 700);
                resolve();
            });
        })"""
    )
    page.locator("#facts", has_text="pasted.png, 300 × 200").wait_for()
    page.locator("#facts", has_text="dropped.png, 300 × 200").wait_for()
    page.click("#remove")
    assert not page.locator("#picture").is_visible()


def test_the_width_of_a_phone(visit):
    page = visit(viewport=PHONE, has_touch=True, is_mobile=True)
    upload(page)
    page.select_option("#second", "plain")
    page.click("#write")
    done(page, 0)
    done(page, 1)
    boxes = [page.locator(".panel").nth(number).bounding_box() for number in (0, 1)]
    assert boxes[0]["x"] == boxes[1]["x"]
    assert boxes[0]["y"] + boxes[0]["height"] < boxes[1]["y"]
    for name in ("code", "preview", "compare"):
        tab(page, name)
        assert page.locator("html").evaluate("e => e.scrollWidth") == 390
    small = [
        (button.inner_text(), button.bounding_box()["height"])
        for button in page.locator("button:visible").all()
        if button.bounding_box()["height"] < 32
    ]
    assert small == []  # for fingers


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_themes(visit, theme):
    page = visit(color_scheme=theme)
    picture = PIL.Image.open(io.BytesIO(page.screenshot())).convert("L")
    assert (picture.resize((1, 1)).getpixel((0, 0)) > 128) is (theme == "light")
    other = {"light": "dark", "dark": "light"}[theme]
    while other not in page.locator("#theme").inner_text():
        page.click("#theme")
    page.reload()
    picture = PIL.Image.open(io.BytesIO(page.screenshot())).convert("L")
    assert (picture.resize((1, 1)).getpixel((0, 0)) > 128) is (other == "light")


def test_it_works_by_keyboard(visit):
    page = visit()
    page.fill("#prompt", "a page")
    page.get_by_label("Web page", exact=True).check()
    page.keyboard.press("Control+Enter")
    done(page)
    page.locator("[role=tab][aria-selected=true]").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("[data-tab=compare]").get_attribute("aria-selected") == "true"
    page.keyboard.press("ArrowRight")
    assert page.locator("[data-tab=code]").evaluate("e => e === document.activeElement")


def test_a_key_is_asked_for(chromium, serve):
    served = serve(keys=("secret",))
    page = chromium.new_page()
    page.goto(f"http://127.0.0.1:{served.port}/")
    for given in ("wrong", "secret"):
        page.locator("#key-dialog[open]").wait_for()
        page.fill("#key-text", given)
        page.locator("#key-dialog button", has_text="Use it").click()
    page.locator("#samples button").nth(2).wait_for()
    page.fill("#prompt", "Sum.")
    page.locator("#tokens").evaluate("e => { e.value = 8; }")
    page.click("#write")
    page.locator(".state", has_text="8 tokens").wait_for()
    page.close()


def test_a_real_model_writes_into_it(visit, serve, taught):
    """A tiny Qwen2.5-VL that has learnt one page: its tokens become the page that is shown."""
    page_code = '<html><body style="background:#036"><p>1</p></body></html>'
    picture = Image(data=png(1, 84, 112))
    sample = task("html", [picture], "Write.").model_copy(update={"response": f"```html\n{page_code}\n```"})
    served = serve(model=Local(taught(sample)))
    page = visit(served)
    upload(page, content=png(1, 84, 112))
    page.get_by_label("Web page", exact=True).check()
    page.fill("#prompt", "Write.")
    page.click("#write")
    done(page)
    assert page.frame_locator(".frames iframe").locator("p").inner_text() == "1"
    tab(page, "code")
    assert code(page) == page_code
