"""One page for each reason: it earns exactly that reason, and without the one fault it is kept."""

from __future__ import annotations

import time

import pytest
from tests.data.html.conftest import WORDS

from viscodex.runner.stage import Keep, Reject

GOOD = f"<!DOCTYPE html><html><body><h1>The bakery</h1><p>{WORDS}</p><p>{WORDS}</p></body></html>"

BAD = {
    "script that throws": ("console_error", GOOD + "<script>missing()</script>"),
    "console.error": ("console_error", GOOD + "<script>console.error('no')</script>"),
    "remote picture": ("external_fetch", GOOD + "<img src='https://example.com/a.png'>"),
    "remote style sheet": ("external_fetch", GOOD + "<link rel=stylesheet href='https://example.com/a.css'>"),
    "remote script": ("external_fetch", GOOD + "<script src='https://example.com/a.js'></script>"),
    "file beside it": ("external_fetch", GOOD + "<img src='photo.jpg'>"),
    "local file": ("external_fetch", GOOD + "<img src='file:///etc/passwd'>"),
    "fetch()": ("external_fetch", GOOD + "<script>fetch('http://127.0.0.1:1/').catch(() => 0)</script>"),
    "one that goes elsewhere": ("page_error", GOOD + "<script>location = 'https://example.com/'</script>"),
    "an alert": ("page_error", GOOD + "<script>alert(1)</script>"),
    "hardly anything": ("too_short", f"<body style='margin:0;font-size:4px'>{WORDS}</body>"),
    "a long one": ("too_tall", GOOD + "<div style='height:8000px;width:9px;background:red'></div>"),
    "60,000 pixels": ("too_tall", GOOD + "<div style='height:60000px'></div>"),
    "a wide table": ("overflow", GOOD + "<div style='width:1600px;background:red'>wide</div>"),
    "40,000 pixels wide": ("overflow", GOOD + "<div style='width:40000px'>wide</div>"),
    "text cut at the edge": (
        "overflow",
        f"<body style='overflow-x:hidden;font-size:30px'>{WORDS}<p style='white-space:nowrap'>{WORDS}</p></body>",
    ),
    "white on white": ("single_colour", f"<body style='color:#fff;font-size:40px'><p>{WORDS}</p></body>"),
    "words too small to count": (
        "little_ink",
        f"<p style='font-size:5px;color:#ddd;width:600px'>{WORDS}</p><div style='height:900px'></div>",
    ),
    "few words": ("little_text", "<h1>Hello</h1><div style='height:400px;background:#00f'></div>"),
    "hidden words": (
        "little_text",
        f"<div style='height:400px;background:#00f'>Hello<p style='visibility:hidden'>{WORDS}</p></div>",
    ),
    "words out of sight": (
        "little_text",
        f"<div style='height:400px;background:#00f'>Hello</div><p style='position:absolute;left:-9999px'>{WORDS}</p>",
    ),
    "a long file": ("too_long", GOOD + f"<!--{'x' * 70_000}-->"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_page_earns_its_reason(render, name):
    reason, page = BAD[name]
    verdict = render(page)
    assert isinstance(verdict, Reject), name
    assert verdict.reason == reason, verdict


def test_every_reason_of_the_settings_can_be_relaxed(render):
    """The same pages pass when the limit that they break is lifted."""
    assert isinstance(render(BAD["a long one"][1], max_height=20_000, min_ink=0), Keep)
    assert isinstance(render(BAD["few words"][1], min_text=3), Keep)
    assert isinstance(render(BAD["words too small to count"][1], min_ink=0), Keep)
    assert isinstance(render(BAD["hardly anything"][1], min_height=2, min_ink=0), Keep)
    assert isinstance(render(BAD["a long file"][1], max_code=80_000), Keep)


def test_a_good_page_becomes_a_pair(render):
    verdict = render(GOOD)
    assert isinstance(verdict, Keep)
    sample = verdict.row
    picture, instruction = sample.prompt
    assert picture.load().size == (1280, sample.checks["height"])
    assert len(instruction) > 20
    assert sample.response == GOOD
    assert sample.checks["render_ok"] is True
    assert set(sample.checks["hashes"]) == {"code_sha256", "image_phash"}
    assert sample.checks["text_characters"] > 300


def test_the_same_page_gives_the_same_pair(render):
    first, second = render(GOOD).row, render(GOOD).row
    assert first.prompt == second.prompt
    assert {k: v for k, v in first.checks.items() if k != "exec_s"} == {
        k: v for k, v in second.checks.items() if k != "exec_s"
    }


ATTACKS = {
    "alerts without end": "<script>for (;;) alert(1)</script>",
    "a script without end": "<script>for (;;);</script>",
    "a page without end": "<script>for (;;) document.body.append('x'.repeat(1e6))</script>",
    "reloading without end": "<script>location.reload()</script>",
    "windows without end": "<script>for (let i = 0; i < 50; i++) open('https://example.com/' + i)</script>",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_one_reject_and_the_next_page_is_drawn(browser, render, name):
    began = time.monotonic()
    verdict = render(GOOD + ATTACKS[name])
    assert isinstance(verdict, Reject)
    assert verdict.reason in ("page_error", "external_fetch"), verdict
    assert time.monotonic() - began < 150
    assert isinstance(render(GOOD), Keep)
