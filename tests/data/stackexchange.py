"""Dumps of a Stack Exchange site, made by seed: the real schema of `Posts.xml` with the oddities of real ones.

Old and new tag syntax, deleted owners, both image hosts, thumbnails in links, protocol-relative addresses, code with
runs of backticks, in lists and quotations, snippets, HTML entities inside XML entities, CR LF, licences by date, tag
wikis, questions without accepted answers, accepted answers that are missing or stand before their question, damage.

    body = make_body(random.Random("7"))     one post: its HTML and the code and pictures that are in it
    write_dump(path, posts=50_000)           a dump; what it returns says what is in it
    write_pictures(folder)                   the pictures that its posts show, some of them useless
"""

from __future__ import annotations

import html
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import PIL.Image
import PIL.ImageDraw

HOSTS = ("https://i.stack.imgur.com/", "https://i.sstatic.net/", "//i.stack.imgur.com/", "http://i.stack.imgur.com/")
POOL, USELESS = 300, 40
"""Pictures there are; the last of them are missing, too small, or no pictures."""
PROSE = """
the a of to in is it for on with that this when my code value list frame column table button page element plot axis
error returns function loop index rows expected get set show after before between wrong default style data file model
import object class method array width height layout grid text label color
"""
WORDS = PROSE.split()
TAGS = (
    "python",
    "python-3.x",
    "pandas",
    "matplotlib",
    "html",
    "css",
    "javascript",
    "c#",
    "numpy",
    "django",
    "java",
    "r",
)
PYTHON = (
    "import math\n\nprint(math.sqrt(2) < 1.5)\n",
    "def area(w, h):\n    return w * h\n\n\nprint(area(3, 4))\n",
    "rows = [1, 2, 3]\nprint({r: r ** 2 for r in rows if r > 1})\n",
    "text = '''\n```\nfence\n```\n'''\nprint(text.count('`'))\n",
    "for i in range(3):\n\tprint(i, end='\\t')\n\nprint('done')  \n",
    's = "a & b < c > d &amp; &lt;"\nprint(len(s))\n',
    "class A:\n\n    def f(self):\n        return `self`\n",
    "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2]})\ndf.plot()\n",
    ">>> 1 + 1\n2\n",
    "print 'old'\n",
    "\nx = 1\n\n\ny = 2\n\n",
    "    indented = True\n",
    "print('ünï — 日本 🎉')\n",
)
HTML = (
    '<!DOCTYPE html>\n<html>\n  <body>\n    <p class="a">x &amp; y</p>\n  </body>\n</html>\n',
    '<div style="display: flex">\n\t<span>1</span>\n</div>\n',
    "<!-- a comment -->\n<pre><code>nested</code></pre>\n",
    '<img src="a.png">\n',
    '<svg><path d="M0 0"/></svg>\n',
)
OTHER = (
    "body { margin: 0; }\n",
    "SELECT * FROM t WHERE a < 3;\n",
    "$ pip install x\n",
    "````\nmany\n`````\n",
    "`",
    "\n",
    "~~~\n",
)


@dataclass
class Body:
    """One post's HTML; every block of code and every picture (addresses, best first) in reading order."""

    html: str = ""
    code: list[str] = field(default_factory=list)
    pictures: list[tuple[str, ...]] = field(default_factory=list)


@dataclass(frozen=True)
class Made:
    """What a dump holds."""

    counts: Counter[str]
    bytes: int


def make_body(
    rng: random.Random, *, pictures: int = 1, code: int = 1, kinds: tuple[str, ...] = PYTHON + HTML + OTHER
) -> Body:
    """A post with at least so many pictures and blocks of code, among prose of all sorts."""
    body = Body()
    pieces: list[Callable[[], str]] = [lambda: _paragraph(rng, body) for _ in range(rng.randint(1, 3))]
    pieces += [lambda: _block(rng, body, kinds) for _ in range(code)]
    pieces += [lambda: _picture_paragraph(rng, body) for _ in range(pictures)]
    pieces += [lambda: f"<h2>{_prose(rng)}</h2>"] * (rng.random() < 0.1) + [lambda: "<hr>"] * (rng.random() < 0.1)
    pieces += [lambda: _list(rng, body, kinds if code else ())] * (rng.random() < 0.3)
    pieces += [lambda: _table(rng)] * (rng.random() < 0.1)
    pieces += [lambda: _quote(rng, body, kinds if code else ())] * (rng.random() < 0.2)
    rng.shuffle(pieces)
    newline = rng.choice(("\n", "\n\n", "\r\n"))
    body.html = newline.join([piece() for piece in pieces]) + newline
    return body


def shown(code: str) -> str:
    """Code as a reader of Markdown gets it: newlines as a browser reads them, the last one belongs to the fence."""
    return code.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


def _block(rng: random.Random, body: Body, kinds: tuple[str, ...]) -> str:
    code = rng.choice(kinds)
    if rng.random() < 0.3:
        code = "".join(rng.choice(kinds) for _ in range(2))
    if rng.random() < 0.1:
        code = code.replace("\n", "\r\n")
    body.code.append(code)
    text = _escaped(rng, code)
    name = "html" if code in HTML else "py"
    pre = rng.choice(
        (
            "<pre><code>",
            f'<pre class="lang-{name} prettyprint-override"><code>',
            f'<pre class="lang-{name} s-code-block"><code>',
            f'<pre><code class="language-{name}">',
            f"<!-- language: lang-{name} -->\n\n<pre><code>",
            "<pre>",
        )
    )
    if pre == "<pre>":
        return f"<pre>{text}</pre>"
    if rng.random() < 0.1:
        return (
            '<div class="snippet" data-lang="js">\n<div class="snippet-code">\n'
            '<pre class="snippet-code-html lang-html">' + (f"<code>{text}</code></pre>\n</div>\n</div>")
        )
    return f"{pre}{text}</code></pre>"


def _escaped(rng: random.Random, code: str) -> str:
    text = html.escape(code, quote=rng.random() < 0.3)
    if rng.random() < 0.2:
        text = text.replace("'", "&#39;").replace("ü", "&uuml;").replace("—", "&#8212;").replace("\t", "&#9;")
    return text


def _paragraph(rng: random.Random, body: Body) -> str:
    pieces = [_prose(rng)]
    for _ in range(rng.randint(0, 3)):
        pieces.append(
            rng.choice(
                (
                    f"<b>{_prose(rng)}</b>",
                    f"<em>{_prose(rng)}</em>",
                    "<code>x &lt; `y`</code>",
                    "<code>``</code>",
                    "<code>df.plot()</code>",
                    '<a href="https://docs.python.org/3/" rel="nofollow noreferrer">the docs</a>',
                    "a &amp;lt; b &amp;amp; c &nbsp; &hellip;",
                    "<br>",
                    "&lt;!-- not a comment",
                    "<kbd>Ctrl</kbd>",
                    "```",
                    "1. not * a _ list",
                )
            )
        )
        pieces.append(_prose(rng))
    return f"<p>{' '.join(pieces)}</p>"


def _prose(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(4, 14)))


def _picture_paragraph(rng: random.Random, body: Body) -> str:
    text, urls = _picture(rng)
    body.pictures.append(urls)
    return rng.choice(
        (
            f"<p>{text}</p>",
            f"<p>As shown in the image below:</p>\n\n<p>{text}</p>",
            f"<p>{_prose(rng)} {text} {_prose(rng)}</p>",
        )
    )


def _picture(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """An `<img>`, alone or as the thumbnail of what it links to."""
    name, host = picture_name(rng.randrange(POOL)), rng.choice(HOSTS)
    best = _absolute(host + name)
    alt = rng.choice(("enter image description here", "a &quot;chart&quot;", ""))
    if rng.random() < 0.3:
        small = host + name.replace(".png", "m.png")
        link = f'<a href="{host}{name}" rel="nofollow noreferrer"><img src="{small}" alt="{alt}"></a>'
        return link, (best, _absolute(small))
    if rng.random() < 0.1:
        return f'<a href="https://example.org/page"><img src="{host}{name}" alt="{alt}" /></a>', (best,)
    return f'<img src="{host}{name}" alt="{alt}">', (best,)


def _absolute(url: str) -> str:
    return f"https:{url}" if url.startswith("//") else url


def _list(rng: random.Random, body: Body, kinds: tuple[str, ...]) -> str:
    tag = rng.choice(("ul", "ol"))
    items = []
    for _ in range(rng.randint(1, 12)):
        text = f"<p>{_prose(rng)}</p>" if rng.random() < 0.3 else _prose(rng)
        if rng.random() < 0.2:
            picture, urls = _picture(rng)
            body.pictures.append(urls)
            text += picture
        if kinds and rng.random() < 0.3:
            text += "\n" + _block(rng, body, kinds) + rng.choice(("", f"<p>{_prose(rng)}</p>"))
        if rng.random() < 0.1:
            text += f"<ul>\n<li>{_prose(rng)}</li>\n<li>{_block(rng, body, kinds) if kinds else 'x'}</li></ul>"
        items.append(f"<li>{text}</li>")
    return f"<{tag}>\n" + "\n".join(items) + f"\n</{tag}>"


def _quote(rng: random.Random, body: Body, kinds: tuple[str, ...]) -> str:
    code = _block(rng, body, kinds) if kinds and rng.random() < 0.5 else ""
    return f"<blockquote>\n<p>{_prose(rng)}<br>\n{_prose(rng)}</p>\n{code}</blockquote>"


def _table(rng: random.Random) -> str:
    rows = "".join(f"<tr><td>{_prose(rng)}</td><td><code>a|b</code></td></tr>\n" for _ in range(3))
    head = "<thead><tr><th>x</th><th>y</th></tr></thead>"
    return f'<div class="s-table-container"><table>\n{head}<tbody>{rows}</tbody></table></div>'


# Pictures


def picture_name(number: int) -> str:
    rng = random.Random(f"picture-{number}")
    letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "".join(rng.choices(letters, k=5)) + f"{number % 10}.png"


def write_pictures(folder: Path) -> Counter[str]:
    """Every picture of the pool under its name; of the useless ones a third each is missing, tiny, or not a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    for number in range(POOL):
        path, kind = folder / picture_name(number), "good"
        if number >= POOL - USELESS:
            kind = ("missing", "small", "broken")[number % 3]
        counts[kind] += 1
        if kind == "broken":
            path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(200)))
        elif kind != "missing":
            _draw(number, 16 if kind == "small" else 160).save(path)
    return counts


def _draw(number: int, side: int) -> PIL.Image.Image:
    rng = random.Random(f"drawn-{number}")
    picture = PIL.Image.new("RGB", (side, side * 3 // 4), tuple(rng.choices(range(200, 256), k=3)))
    pen = PIL.ImageDraw.Draw(picture)
    for _ in range(6):
        x, y = rng.randrange(side), rng.randrange(side * 3 // 4)
        pen.rectangle(
            (x, y, x + rng.randrange(4, 60), y + rng.randrange(4, 40)), fill=tuple(rng.choices(range(256), k=3))
        )
    return picture


# Dumps


def row(**attributes: object) -> bytes:
    """One line, its values escaped as the dumps have them."""
    return (
        b"  <row "
        + " ".join(f'{name}="{_attribute(str(value))}"' for name, value in attributes.items()).encode()
        + b" />\n"
    )


def _attribute(text: str) -> str:
    for raw, entity in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ('"', "&quot;"),
        ("\r", "&#xD;"),
        ("\n", "&#xA;"),
        ("\t", "&#x9;"),
    ):
        text = text.replace(raw, entity)
    return text


def dump(*rows: bytes) -> bytes:
    """A whole file of such lines."""
    return b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>\n<posts>\n' + b"".join(rows) + b"</posts>\n"


def write_dump(path: Path, posts: int = 0, *, seed: int = 0, size: int = 0, pool: int = 400) -> Made:
    """A dump of so many posts, or of so many bytes. Bodies are drawn from a pool of so many of each kind."""
    counts: Counter[str] = Counter()
    with path.open("wb") as file:
        file.write(b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>\n<posts>\n')
        for line in _lines(random.Random(f"dump-{seed}"), _Pool(seed, pool), counts):
            file.write(line)
            if (posts and counts["posts"] >= posts) or (size and file.tell() >= size):
                break
        file.write(b"</posts>\n")
        return Made(counts, file.tell())


class _Pool:
    """Bodies, escaped already: making each anew would take longer than anything that is measured with them."""

    def __init__(self, seed: int, size: int) -> None:
        rng = random.Random(f"pool-{seed}")
        self.plain = [_padded(rng, make_body(rng, pictures=0)) for _ in range(size)]
        self.plain = [body for body in self.plain if b"&lt;img" not in body]
        self.pictured = [_padded(rng, make_body(rng, pictures=rng.choice((1, 1, 1, 2, 3)))) for _ in range(size)]
        self.answers = [_padded(rng, make_body(rng, pictures=0)) for _ in range(size)]
        self.python = [_padded(rng, make_body(rng, pictures=0, code=2, kinds=PYTHON)) for _ in range(size)]
        self.markup = [_padded(rng, make_body(rng, pictures=0, code=2, kinds=HTML)) for _ in range(size)]
        links = '<p>See <a href="https://example.org/{}" rel="nofollow">this page</a>.</p>'
        self.links = [_attribute(links.format(number)).encode() for number in range(20)]


def _padded(rng: random.Random, body: Body) -> bytes:
    prose = "\n".join(f"<p>{_prose(rng)}. {_prose(rng)}.</p>" for _ in range(rng.randint(0, 12)))
    return _attribute(body.html + prose).encode()


def _lines(rng: random.Random, pool: _Pool, counts: Counter[str]) -> Iterator[bytes]:
    """Endless. Ids rise as in real dumps, with gaps; a question's answers follow within the next posts."""
    number = 4
    while True:
        number += rng.randint(1, 3)
        kind = rng.random()
        if kind < 0.001:
            counts["malformed"] += 1
            yield _damaged(rng, number)
        elif kind < 0.01:
            counts["posts"] += 1
            counts["other"] += 1
            yield b'  <row Id="%d" PostTypeId="%d" CreationDate="2012-01-02T03:04:05.678" Score="0" Body="" />\n' % (
                number,
                rng.choice((4, 5)),
            )
        else:
            yield from _thread(rng, pool, counts, number)
            number += 3


def _thread(rng: random.Random, pool: _Pool, counts: Counter[str], number: int) -> Iterator[bytes]:
    pictured = rng.random() < 0.12
    date = f"20{rng.randint(8, 24):02}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T01:02:03.457"
    accepted = number + 1 if rng.random() < 0.6 else 0
    fate = rng.random()
    counts["posts"] += 1
    counts["questions"] += 1
    counts["pictured"] += pictured
    counts["pictured_accepted"] += pictured and accepted > 0
    body = rng.choice(pool.pictured if pictured else pool.plain)
    question = _question(rng, number, accepted, date, body)
    answer = _answer(rng, number + 1, number, date, rng.choice(_answers(rng, pool)))
    if accepted and fate < 0.01:  # the answer was deleted, or cut off
        counts["answer_missing"] += pictured
        yield question
        return
    if accepted and fate < 0.015:  # merged threads: the answer is older
        question = _question(rng, number + 1, number, date, body)
        answer = _answer(rng, number, number + 1, date, rng.choice(_answers(rng, pool)))
        question, answer = answer, question
    counts["posts"] += 1
    counts["answers"] += 1
    yield question
    yield answer
    if rng.random() < 0.4:
        counts["posts"] += 1
        counts["answers"] += 1
        yield _answer(rng, number + 2, number, date, rng.choice(pool.answers))


def _answers(rng: random.Random, pool: _Pool) -> list[bytes]:
    return rng.choices((pool.python, pool.markup, pool.answers, pool.links), weights=(50, 25, 20, 5))[0]


@cache
def _syntax(old: bool, tags: tuple[str, ...]) -> bytes:
    return ("".join(f"&lt;{tag}&gt;" for tag in tags) if old else f"|{'|'.join(tags)}|").encode()


def _question(rng: random.Random, number: int, accepted: int, date: str, body: bytes) -> bytes:
    tags = tuple(rng.sample(TAGS, k=rng.randint(1, 4)))
    parts = [b'  <row Id="%d" PostTypeId="1"' % number]
    parts += [b' AcceptedAnswerId="%d"' % accepted] * (accepted > 0)
    parts.append(
        b' CreationDate="%s" Score="%d" ViewCount="%d" Body="'
        % (date.encode(), rng.randint(-2, 9), rng.randint(5, 90000))
    )
    title = f"How does {' '.join(rng.choices(WORDS, k=6))} &lt;T&gt; &amp;amp; work?"
    tail = f' LastActivityDate="{date}" Title="{title}" Tags="'
    parts += [
        body,
        b'"',
        _owner(rng),
        tail.encode(),
        _syntax(rng.random() < 0.5, tags),
        b'" AnswerCount="1" CommentCount="0"',
    ]
    return b"".join([*parts, _licence(rng, date), b" />\n"])


def _answer(rng: random.Random, number: int, parent: int, date: str, body: bytes) -> bytes:
    start = f'  <row Id="{number}" PostTypeId="2" ParentId="{parent}" CreationDate="{date}" '
    start += f'Score="{rng.randint(-1, 12)}" Body="'
    return b"".join([start.encode(), body, b'"', _owner(rng), b' CommentCount="2"', _licence(rng, date), b" />\n"])


def _owner(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.05:
        return b""
    if kind < 0.1:
        return b' OwnerDisplayName="user%d"' % rng.randint(1, 9999)
    return b' OwnerUserId="%d" LastEditorUserId="-1"' % rng.randint(1, 9_999_999)


def _licence(rng: random.Random, date: str) -> bytes:
    if rng.random() < 0.05:
        return b""
    return b' ContentLicense="CC BY-SA %s"' % (
        b"2.5" if date < "2011-04-08" else b"3.0" if date < "2018-05-02" else b"4.0"
    )


def _damaged(rng: random.Random, number: int) -> bytes:
    """A line that was cut, text that is no row, a row with no Id; never a question that could be read."""
    return rng.choice(
        (
            b'  <row Id="%d" PostTypeId="1" Body="cut off in the mid\n' % number,
            b"garbage between the rows\n",
            b'  <row PostTypeId="1" Body="" />\n',
            b'  <row Id="%d" PostTypeId="1" AcceptedAnswerId="9" Score="1" Body="&lt;img src=1&gt; &#x0;" />\n'
            % number,
            b'  <row Id="%d" PostTypeId="1" AcceptedAnswerId="9" Score="1" Body="&lt;img src=1&gt; \xff\xfe" />\n'
            % number,
        )
    )
