"""Pages of a folder made whole: what fetches goes or is written in, everything else stays to the letter."""

from __future__ import annotations

import PIL.Image
import pytest

from viscodex.data.html.self_contained import self_contained


@pytest.fixture
def site(tmp_path):
    root = tmp_path / "site"
    (root / "css").mkdir(parents=True)
    (root / "img").mkdir()
    (tmp_path / "secret.css").write_text(".secret{}")
    (root / "css" / "main.css").write_text(
        "@charset 'utf-8'; @import url('base.css'); @import 'https://example.com/far.css';\n"
        "@font-face { font-family: X; src: url(x.woff2) }\n"
        ".hero { background: url(../img/hero.png) no-repeat } .icon { background: url(../img/icon.png) }"
    )
    (root / "css" / "base.css").write_text("h1 { color: #123456 } @import '../../secret.css';")
    (root / "sized.svg").write_text("<?xml version='1.0'?><svg width='24px' height=\"12\" viewBox='0 0 9 9'/>")
    (root / "boxed.svg").write_text("<svg viewBox='0 0 48 32.6'/>")
    (root / "strange.svg").write_text("<svg width='100%' height='1e999'/>")
    PIL.Image.new("RGB", (640, 480)).save(root / "img" / "hero.png")
    PIL.Image.new("RGB", (16, 16)).save(root / "img" / "icon.png")
    return root


def whole(site, body, head=""):
    page = f"<!DOCTYPE html>\n<html lang='en'><head>{head}</head><body>{body}</body></html>"
    return self_contained(page, site, site)


def test_a_page_that_needs_nothing_stays_to_the_letter(site):
    page = (
        "<!DOCTYPE html>\n<html LANG=en>\n<body class='a'>&copy; &#169; <b>x</B> <br/><input disabled>\n"
        "<style>a > b { color: red }</style><a href='other.html?a=1&amp;b=2'>y</a></body></html>\n"
    )
    assert self_contained(page, site, site) == page.replace("</B>", "</b>")


def test_style_sheets_are_written_in_with_what_they_import(site):
    page = whole(site, "<h1>x</h1>", "<link rel='stylesheet' href='css/main.css?v=2' media='screen'>")
    assert '<style media="screen">' in page
    assert "color: #123456" in page
    assert "example.com" not in page and "@import" not in page and "@font-face" not in page and "@charset" not in page
    assert "<link" not in page


def test_nothing_outside_the_input_is_read(site):
    page = whole(
        site, "<h1>x</h1>", "<link rel=stylesheet href='../secret.css'><link rel=stylesheet href=css/main.css>"
    )
    assert "secret" not in page
    for address in ("/etc/passwd", "../../../../../etc/passwd", "file:///etc/passwd"):
        assert "root:" not in whole(site, "x", f"<link rel=stylesheet href='{address}'>")


def test_photographs_become_blue_blocks_of_their_size_and_icons_nothing(site):
    page = whole(
        site,
        "<img src='img/hero.png' srcset='a 2x' alt='A \"hero\"' class=w>",
        "<style>@import 'css/main.css';</style>",
    )
    assert "srcset" not in page and "hero.png" not in page
    assert "width='640' height='480'" in page
    assert "A &quot;hero&quot;" in page
    assert ".hero { background: linear-gradient(#0000ff, #0000ff) no-repeat }" in page
    assert ".icon { background: none }" in page


@pytest.mark.parametrize(
    ("tag", "size"),
    [
        ("<img src='https://example.com/x.png' width=120 height='80px'>", "width='120' height='80'"),
        ("<img src='https://example.com/600x400/abc'>", "width='600' height='400'"),
        ("<img src='gone.png'>", "width='300' height='200'"),
        ("<img src='sized.svg'>", "width='24' height='12'"),
        ("<img src='boxed.svg'>", "width='48' height='33'"),
        ("<img src='strange.svg'>", "width='300' height='200'"),
    ],
)
def test_a_picture_that_is_not_there_has_the_size_that_the_page_tells(site, tag, size):
    assert size in whole(site, tag)


@pytest.mark.parametrize(
    "gone",
    [
        "<script>document.write('<p>MARK</p>')</script>",
        "<script src='MARK.js'></script>",
        "<noscript>MARK</noscript>",
        "<iframe src='MARK.html'></iframe>",
        "<video poster='MARK.jpg'><source src='MARK.mp4'></video>",
        "<p onclick='MARK()'>x</p>",
        "<a href='javascript:MARK()'>x</a>",
        "<meta http-equiv='refresh' content='0;url=MARK'>",
        "<base href='https://MARK/'>",
        "<p style='background:url(MARK.png)'>x</p>",
        "<svg><use href='MARK.svg#a'/></svg>",
        "<object data='MARK.swf'></object>",
        "<img data-src='MARK.png' src='x.png'>",
        "<link rel='icon' href='MARK.ico'>",
    ],
)
def test_what_runs_or_fetches_goes(site, gone):
    assert "MARK" not in whole(site, gone)


def test_the_result_fetches_nothing(site, browser):
    body = "<img src='img/hero.png'><div class='hero'>x</div><iframe src=a.html></iframe><input type=image src=b.png>"
    page = browser.render(whole(site, body, "<link rel=stylesheet href=css/main.css>"))
    assert (page.status, page.blocked_urls, page.console_errors) == ("ok", (), ())
