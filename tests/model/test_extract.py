"""Answers as models write them, and the code that is taken from each."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viscodex.core.sample import KINDS
from viscodex.model.extract import extract
from viscodex.model.live import Live

PAGE = "<!DOCTYPE html>\n<html>\n<body>\n<p>Hi</p>\n</body>\n</html>"
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"

HTML = {
    "a tagged fence": (f"```html\n{PAGE}\n```", PAGE),
    "upper case tag": (f"```HTML\n{PAGE}\n```", PAGE),
    "space before the tag": (f"``` html\n{PAGE}\n```", PAGE),
    "spaces after the tag": (f"```html   \n{PAGE}\n```  ", PAGE),
    "no tag": (f"```\n{PAGE}\n```", PAGE),
    "tildes": (f"~~~html\n{PAGE}\n~~~", PAGE),
    "four backticks": (f"````html\n{PAGE}\n````", PAGE),
    "prose around": (f"Here is the page:\n\n```html\n{PAGE}\n```\n\nIt uses flexbox.", PAGE),
    "prose before the fence in its line": (f"Sure! ```html\n{PAGE}\n```", PAGE),
    "windows newlines": (f"```html\n{PAGE}\n```".replace("\n", "\r\n"), PAGE),
    "byte-order mark": (f"\ufeff```html\n{PAGE}\n```", PAGE),
    "unclosed": (f"```html\n{PAGE}", PAGE),
    "cut off in the middle": (
        "```html\n<!DOCTYPE html>\n<html>\n<body>\n<p>Hi",
        "<!DOCTYPE html>\n<html>\n<body>\n<p>Hi",
    ),
    "closing fence glued to the code": (f"```html\n{PAGE}```", PAGE),
    "code glued to the tag": (f"```html{PAGE}\n```", PAGE),
    "no fence": (PAGE, PAGE),
    "no fence, prose around": (f"Here it is:\n{PAGE}\nEnjoy!", PAGE),
    "no fence, lower case doctype": (PAGE.replace("DOCTYPE", "doctype"), PAGE.replace("DOCTYPE", "doctype")),
    "no fence, no doctype": (f"Here:\n{PAGE[16:]}", PAGE[16:]),
    "no fence, the word html before": (f"html\n{PAGE}", PAGE),
    "no fence, cut off": (PAGE[:35], PAGE[:35]),
    "style sheet first, page second": (f"```css\nbody {{}}\n```\n\n```html\n{PAGE}\n```", PAGE),
    "fragment first, page second": (f"```html\n<p>\n</p>\n<p>long, long, long</p>\n```\n```html\n{PAGE}\n```", PAGE),
    "two pages": (f"```html\n{PAGE}\n```\nor\n```html\n{PAGE.replace('Hi', 'Hello there')}\n```", PAGE),
    "a fragment alone": ("```html\n<div>Hi</div>\n```", "<div>Hi</div>"),
    "a fragment without a fence": ("Use <div>\n<b>Hi</b></div>.", "<div>\n<b>Hi</b></div>"),
    "a page tagged xml": (f"```xml\n{PAGE}\n```", PAGE),
    "a page tagged javascript": (f"```javascript\n{PAGE}\n```", PAGE),
    "prose after the page, inside the fence": (f"```html\n{PAGE}\nThis page …\n```", PAGE),
    "a page that shows a fence": (
        PAGE.replace("<p>Hi</p>", "<pre>\n```python\nprint(1)\n```\n</pre>").join(["```html\n", "\n```"]),
        PAGE.replace("<p>Hi</p>", "<pre>\n```python\nprint(1)\n```\n</pre>"),
    ),
    "a bare page that shows a fence": (
        PAGE.replace("Hi", "\n```\nHi\n```\n"),
        PAGE.replace("Hi", "\n```\nHi\n```\n"),
    ),
    "inside a markdown fence": (f"````markdown\n# Page\n```html\n{PAGE}\n```\n````", PAGE),
    "in a list": (
        "1. The page:\n   ```html\n   <html>\n     <p>Hi</p>\n   </html>\n   ```",
        "<html>\n  <p>Hi</p>\n</html>",
    ),
    "reasoning before": (f"<think>\nA header, `<html>` …\n</think>\n\n```html\n{PAGE}\n```", PAGE),
    "a draft in the reasoning": (f"<think>```html\n<html>draft</html>\n```</think>```html\n{PAGE}\n```", PAGE),
    "reasoning begun in the prompt": (f"A header …\n</think>\n\n```html\n{PAGE}\n```", PAGE),
    "reasoning cut off": (f"<think>\nI would write\n```html\n{PAGE}\n```", ""),
    "a page about reasoning": (
        f"```html\n{PAGE.replace('Hi', 'a &lt;think&gt; b </think> c')}\n```",
        PAGE.replace("Hi", "a &lt;think&gt; b </think> c"),
    ),
    "a tag mentioned in prose": ("I start with `<html>` and a body.\n```html\n" + PAGE + "\n```", PAGE),
    "blank lines around": (f"```html\n\n\n{PAGE}\n\n```", PAGE),
    "prose alone": ("I cannot see a picture.", ""),
    "nothing": ("", ""),
    "blank": (" \n\n", ""),
    "an empty fence": ("```html\n```", ""),
    "an opening fence alone": ("```html", ""),
}

PROGRAM = {
    "a tagged fence": (f"```python\n{PLOT}\n```", PLOT),
    "py": (f"```py\n{PLOT}\n```", PLOT),
    "Python3": (f"```Python3\n{PLOT}\n```", PLOT),
    "attributes": (f"```{{.python}}\n{PLOT}\n```", PLOT),
    "a title": (f'```python title="a.py"\n{PLOT}\n```', PLOT),
    "no tag": (f"```\n{PLOT}\n```", PLOT),
    "unclosed": (f"Here:\n```python\n{PLOT}", PLOT),
    "the longest of several": (f"```python\nimport os\n```\n```python\n{PLOT}\n```\n```python\nx = 1\n```", PLOT),
    "Python before longer shell": (f"```bash\n{'pip install x && ' * 20}\n```\n```python\n{PLOT}\n```", PLOT),
    "Python before longer untagged": (f"```\n{'Output ' * 50}\n```\n```python\n{PLOT}\n```", PLOT),
    "another language alone": ("```cpp\nint main() {}\n```", "int main() {}"),
    "shell alone": ("```bash\npip install matplotlib\n```", ""),
    "no fence": (PLOT, PLOT),
    "no fence, prose before": (f"Here is the script.\n\n{PLOT}", PLOT),
    "no fence, cut off": ("import numpy as np\nx = [1, 2,", "import numpy as np\nx = [1, 2,"),
    "prose alone": ("I cannot do that, sorry.", ""),
    "one word": ("Sorry", ""),
    "first block not closed before the next": (f"```python\nx = 1\n```python\n{PLOT}\n```", PLOT),
    "prose behind the closing fence": (f"```python\n{PLOT}\n``` This script draws a line.\nBye.", PLOT),
    "a fence in a string": (
        '```python\ntext = """\n```json\n{}\n```\n"""\nprint(text)\n```\nDone.',
        'text = """\n```json\n{}\n```\n"""\nprint(text)',
    ),
    "a bare fence in a string": (
        '```python\ntext = """\n```\nhello\n```\n"""\nprint(text)\n```',
        'text = """\n```\nhello\n```\n"""\nprint(text)',
    ),
    "an odd quote in a comment": (
        f'```python\n# a """ docstring\n{PLOT}\n```\nThat is all.\n```bash\npython a.py\n```',
        f'# a """ docstring\n{PLOT}',
    ),
    "backticks in a string at the end of a line": (
        "```python\nfence = '```'\nprint(fence)\n```",
        "fence = '```'\nprint(fence)",
    ),
    "reasoning with a longer draft": (f"<think>\n```python\n{PLOT * 3}\n```\n</think>\n```python\n{PLOT}\n```", PLOT),
    "indented code keeps its indentation": ("```python\nif x:\n    y()\n```", "if x:\n    y()"),
    "in a list": ("- so:\n  ```python\n  if x:\n      y()\n  ```", "if x:\n    y()"),
    "form feeds and tabs": ("```python\nif x:\n\ty()\n```", "if x:\n\ty()"),
}

QA = {
    "every block in order": ("Do\n```css\na {}\n```\nand\n```html\n<p>\n```", "a {}\n\n<p>"),
    "no block": ("  Use `flex`.\n", "Use `flex`."),
    "unclosed": ("```js\nlet x = 1", "let x = 1"),
    "empty blocks are left out": ("```\n```\n```js\nx\n```", "x"),
    "reasoning is not an answer": ("<think>hm</think>Use `flex`.", "Use `flex`."),
}


@pytest.mark.parametrize("case", HTML)
def test_html(case):
    answer, code = HTML[case]
    assert extract(answer, "html") == code


@pytest.mark.parametrize("kind", ["chart", "algorithm"])
@pytest.mark.parametrize("case", PROGRAM)
def test_programs(case, kind):
    answer, code = PROGRAM[case]
    assert extract(answer, kind) == code


@pytest.mark.parametrize("case", QA)
def test_qa(case):
    answer, code = QA[case]
    assert extract(answer, "qa") == code


@pytest.mark.parametrize("kind", KINDS)
def test_code_goes_through_unchanged(kind):
    """extract(fence(code)) = code, and extracting twice changes nothing where the code is bare."""
    code = PAGE if kind == "html" else PLOT
    tag = "html" if kind == "html" else "python"
    assert extract(f"```{tag}\n{code}\n```", kind) == code
    assert extract(extract(f"```{tag}\n{code}\n```", kind), kind) == code


PIECES = [
    "<p>",
    "x = 1",
    "```",
    "````",
    "~~~",
    "html",
    "python",
    "\n",
    "\r\n",
    " ",
    "<html>",
    "</html>",
    "<!DOCTYPE html>",
    "<p>",
    "x = 1",
]
PIECES += ["<think>", "</think>", '"""', "'", "Hi.", "\x00", "İ", "`", "import os", "```python\n", "\n```\n"]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=25).map("".join))
def test_nothing_raises(answer):
    for kind in KINDS:
        code = extract(answer, kind)
        assert code == code.strip("\n")


@pytest.mark.parametrize(
    "answer", ["`" * 20_000 + "x`", "~" * 20_000 + "~x", "<" * 20_000, "<a" * 20_000, "a " * 20_000, "```\n" * 5_000]
)
def test_degenerate_answers_are_quick(answer):
    for kind in KINDS:
        extract(answer, kind)


def shown(answer: str, kind: str, size: int) -> tuple[str, bool]:
    """What a reader of the stream has at the end, and whether it was revised."""
    live = Live(kind)
    text = "".join(live.feed(answer[start : start + size]) for start in range(0, len(answer), size))
    ending = live.close()
    return (ending.rest if ending.is_revised else text + ending.rest), ending.is_revised


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("case", HTML)
def test_a_stream_ends_with_the_page(case, size):
    answer, code = HTML[case]
    assert shown(answer, "html", size) == (code, False)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("case", PROGRAM)
def test_a_stream_ends_with_the_program(case, size):
    answer, code = PROGRAM[case]
    assert shown(answer, "chart", size)[0] == code


def test_a_program_is_shown_as_it_comes():
    live = Live("chart")
    assert [live.feed(f"{line}\n") for line in f"Here:\n```python\n{PLOT}\n```".split("\n")] == [
        "",
        "",
        "import matplotlib.pyplot as plt",
        "\nplt.plot([1, 2])",
        "\nplt.show()",
        "",
    ]
    assert live.close().rest == ""


def test_a_longer_program_revises_what_was_shown():
    answer = f"```python\nimport os\n```\n```python\n{PLOT}\n```"
    assert shown(answer, "algorithm", 3) == (PLOT, True)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join), st.integers(1, 9))
def test_streams_and_answers_agree(answer, size):
    for kind in KINDS:
        code, is_revised = shown(answer, kind, size)
        assert code == extract(answer, kind)
        assert not (is_revised and Live(kind).is_certain)
