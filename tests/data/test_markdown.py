"""HTML to Markdown: code to the byte, pictures in order; for a thousand generated posts, and the traps one by one."""

from __future__ import annotations

import html
import random
import re
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.data.stackexchange import make_body, shown
from viscodex.data.qa import language
from viscodex.data.qa.markdown import LARGEST, Document, Picture, UnreadableError, fence, to_markdown
from viscodex.model.fences import blocks

POSTS = 1200


def fenced(document: Document) -> list[str]:
    """The code blocks of the Markdown, as a reader that follows CommonMark sees them, without their last newline.

    Answers lose their pictures, and no code with them.
    """
    found = fences(document.text)
    assert fences(document.text_alone) == found
    return found


def fences(text: str) -> list[str]:
    tokens = MarkdownIt("commonmark").parse(text.replace("\x00", "!"))
    assert not [token for token in tokens if token.type in ("code_block", "html_block")], "prose became code"
    return [token.content.removesuffix("\n") for token in tokens if token.type == "fence"]


@pytest.mark.parametrize("part", range(4))
def test_generated_posts_keep_code_and_pictures(part):
    for number in range(part, POSTS, 4):
        rng = random.Random(f"post-{number}")
        body = make_body(rng, pictures=rng.randint(0, 3), code=rng.randint(0, 4))
        document = to_markdown(body.html, ("python", "html"))
        expected = [shown(code) for code in body.code]
        assert [code.text for code in document.code] == expected, number
        assert fenced(document) == expected, number
        for code in expected:
            assert f"\n{code}\n`" in document.text, number
        pictures = [part.urls for part in document.parts() if isinstance(part, Picture)]
        assert pictures == body.pictures, number


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("`~\n\t <>&\"'"), max_size=200))
def test_any_code_survives(code):
    """Everything that XML can carry: no control characters beside tab and newline."""
    document = to_markdown(f"<p>a</p><pre><code>{html.escape(code)}</code></pre><p>b</p>")
    assert [found.text for found in document.code] == [shown(code)]
    assert fenced(document) == [shown(code)]


@given(st.text(st.sampled_from("`~-=<>!#* 1.|[]():\n ab&;\"'_\\"), max_size=60))
def test_no_prose_swallows_the_code_after_it(prose):
    document = to_markdown(
        f"<p>{html.escape(prose)}</p><ul><li>{html.escape(prose)}</li></ul><pre><code>x</code></pre>"
    )
    assert fenced(document) == ["x"]


def test_our_own_reader_of_fences_sees_the_same():
    for number in range(200):
        body = make_body(random.Random(f"own-{number}"), pictures=0, kinds=("print(1)\n", "x = '`'\n", "<p>a</p>\n"))
        document = to_markdown(body.html)
        assert [block.text for block in blocks(document.text)] == [shown(code) for code in body.code]


def test_a_fence_is_longer_than_any_run_inside():
    assert fence("a") == "```"
    assert fence("a ``` b ````` c") == "``````"


@pytest.mark.parametrize(
    ("source", "markdown"),
    [
        ("<p>a <b>b </b>c <i>d</i> <strike>e</strike></p>", "a **b** c *d* ~~e~~"),
        ("<p>a<br>b<br/> c</p>", "a\nb\nc"),
        ("<p>x <code>a</code>, <code>`b`</code>, <code>``c</code></p>", "x `a`, `` `b` ``, ``` ``c ```"),
        ("<p>&lt;b&gt; &amp;amp; &hellip;&nbsp;x</p>", "\\<b> &amp; …\xa0x"),
        ('<p><a href="https://a.b/c">d <code>e</code></a></p>', "[d `e`](https://a.b/c)"),
        ('<p><a href="https://a.b/c">https://a.b/c</a></p>', "https://a.b/c"),
        ('<p><a href="https://a.b/(c)">d</a></p>', "[d](<https://a.b/(c)>)"),
        ('<p><a href="javascript:alert(1)">d</a> <a name="x">e</a></p>', "d e"),
        ("<h2>A</h2><hr><p>b</p>", "## A\n\n---\n\nb"),
        ("<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>", "- a\n- b\n\n  - c"),
        ('<ol start="3"><li>a</li><li><p>b</p><p>c</p></li></ol>', "3. a\n4. b\n\n   c"),
        ("<blockquote><p>a<br>b</p></blockquote>", "> a\n> b"),
        ("<p>``` not a fence</p>", "\\``` not a fence"),
        ("<table><tr><th>a</th></tr><tr><td>b|c</td></tr></table>", "| a |\n| --- |\n| b\\|c |"),
        ("<!-- hidden --><p>a<!-- b -->c</p><script>x</script><style>y</style>", "ac"),
    ],
)
def test_prose(source, markdown):
    assert to_markdown(source).text == markdown


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<pre><code>a</code></pre>", "a"),
        ("<pre><code>a\n</code></pre>", "a"),
        ("<pre><code>a\n\n</code></pre>", "a\n"),
        ("<pre><code>\n a</code></pre>", "\n a"),
        ("<pre><code>a<br>b</code></pre>", "a\nb"),
        ("<pre><code>a<b>b</b><!-- x -->c</code></pre>", "abc"),
        ("<pre>a</pre>", "a"),
        ("<pre><code>a\r\nb\rc</code></pre>", "a\nb\nc"),
        ("<pre><code>&#60;&#x3c;&lt;&amp;lt;</code></pre>", "<<<&lt;"),
        ("<pre><code>a\x00b</code></pre>", "ab"),
        ("<pre><code></code></pre>", ""),
    ],
)
def test_code(source, expected):
    document = to_markdown(source)
    assert [code.text for code in document.code] == [expected]
    assert fenced(document) == [expected]


@pytest.mark.parametrize(
    ("source", "tags", "expected"),
    [
        ('<pre class="lang-py prettyprint-override"><code>a</code></pre>', (), "python"),
        ('<pre class="lang-py s-code-block"><code class="hljs language-python">a</code></pre>', (), "python"),
        ('<pre><code class="language-html">a</code></pre>', (), "html"),
        ('<pre class="snippet-code-html lang-html prettyprint-override"><code>a</code></pre>', (), "html"),
        ("<!-- language: lang-js -->\n<pre><code>a</code></pre>", ("python",), "javascript"),
        ("<!-- language-all: c# -->\n<pre><code>a</code></pre>", ("python",), "csharp"),
        ('<pre class="lang-none"><code>a</code></pre>', ("python",), ""),
        ('<pre class="default s-code-block"><code>a</code></pre>', ("python",), "python"),
        ("<pre><code>a</code></pre>", ("unheard-of", "pandas", "html"), "python"),
        ("<pre><code>a</code></pre>", ("python-3.x",), "python"),
        ("<pre><code>no markup</code></pre>", ("html", "python"), "python"),
        ("<pre><code>&lt;p&gt;</code></pre>", ("html", "python"), "html"),
        ("<pre><code>a { b: c }</code></pre>", ("html", "css"), "css"),
        ("<blockquote><pre><code>an error message</code></pre></blockquote>", ("python",), ""),
        ("<pre><code>a</code></pre>", (), ""),
    ],
)
def test_languages(source, tags, expected):
    document = to_markdown(source, tags)
    assert document.code[0].language == expected
    assert document.text.lstrip("> ").startswith(f"```{expected}\n")


def test_one_name_for_each_language():
    assert {language.named(word) for word in ("py", "Python", "python3")} == {"python"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('<img src="https://i.sstatic.net/a.png">', [("https://i.sstatic.net/a.png",)]),
        ('<img src="//i.stack.imgur.com/a.png">', [("https://i.stack.imgur.com/a.png",)]),
        ('<a href="https://h/B.PNG"><img src="https://h/b_m.png"></a>', [("https://h/B.PNG", "https://h/b_m.png")]),
        ('<a href="https://h/page"><img src="https://h/b.png"></a>', [("https://h/b.png",)]),
        ('<a href="https://h/A.png"><img src="https://h/a.png"><img src="https://h/b.png"></a>',
         [("https://h/a.png",), ("https://h/b.png",)]),
        ('<pre><code>x<img src="https://h/a.png"></code></pre><img src="https://h/b.png">',
         [("https://h/a.png",), ("https://h/b.png",)]),
        ('<p><code><img src="https://h/a.png"></code></p>', [("https://h/a.png",)]),
        ("<img>", [()]),
        ("<p>&lt;img src=x&gt;</p>", []),
    ],
)  # fmt: skip
def test_pictures(source, expected):
    document = to_markdown(source)
    assert [part.urls for part in document.parts() if isinstance(part, Picture)] == expected
    assert "\x00" not in document.text_alone


def test_a_table_in_a_table_is_told_once():
    inner = '<table><tr><td><img src="https://h/1.png"><pre><code>x</code></pre></td></tr></table>'
    document = to_markdown(f"<table><tr><td>{inner}</td><td>a</td></tr></table>")
    assert len(document.pictures) == len(document.code) == 1
    assert fenced(document) == ["x"]


def test_without_pictures_all_else_is_as_it_was():
    picture = '<img src="https://h/1.png">'
    document = to_markdown(
        f"<p>a {picture} b</p><p>{picture}</p><ul><li>{picture}</li><li>c</li></ul>"
        "<pre><code>import os\n\n\nclass A:\n    pass\n\n\n\n# \\[end\n</code></pre>"
        f"<blockquote><p>{picture}<br>d</p></blockquote>"
    )
    assert document.text_alone == ("a b\n\n- c\n\n```\nimport os\n\n\nclass A:\n    pass\n\n\n\n# \\[end\n```\n\n> d")


def test_slots_stand_where_the_pictures_do():
    document = to_markdown('<p>one <img src="https://h/1.png"> two</p><p><img src="https://h/2.png"></p><p>three</p>')
    parts = ["!" if isinstance(part, Picture) else part for part in document.parts()]
    assert parts == ["one ", "!", " two\n\n", "!", "\n\nthree"]


@pytest.mark.parametrize("tag", ["div", "b", "blockquote", "ul><li", "span", "code"])
def test_deep_nesting_is_refused(tag):
    with pytest.raises(UnreadableError, match="too_deep"):
        to_markdown(f"<{tag}>" * 30_000 + "x")


def test_long_bodies_are_refused_before_they_are_parsed():
    with pytest.raises(UnreadableError, match="too_long"):
        to_markdown("x" * (LARGEST + 1))


@pytest.mark.parametrize(
    "bomb", ["<p>", "<b id=1><p>", "<a href=x>", "<table>", "<!--", "&lt;", "`", "<img src=x>", "</p>", "<br>", "<li>"]
)
def test_bombs_end_soon(bomb):
    started = time.process_time()
    with suppress(UnreadableError):
        to_markdown(bomb * (LARGEST // len(bomb)))
    assert time.process_time() - started < 10


def test_the_link_that_only_leads_elsewhere_leaves_no_prose():
    assert re.sub(r"\W", "", to_markdown('<p><a href="https://a.b">here it is</a></p>').prose) == ""
