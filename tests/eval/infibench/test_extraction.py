"""From answers to code, under both protocols."""

from __future__ import annotations

import pytest

from viscodex.eval.infibench.extraction import extract

TWO = "First:\n```python\na = 1\n```\nthen\n```python\nb = 2\nc = 3\n```\n"


@pytest.mark.parametrize("protocol", ["paper", "fixed"])
def test_blocks_join_with_a_blank_line_or_the_longest_counts(protocol):
    assert extract(TWO, "python", protocol) == "a = 1\n\nb = 2\nc = 3"
    assert extract(TWO, "python", protocol, only_longest=True) == "b = 2\nc = 3"
    latex = "\\begin{code}\na = 1\n\\end{code}"
    assert extract(latex, "python", protocol) == "a = 1"


@pytest.mark.parametrize(
    ("answer", "language", "paper", "fixed"),
    [
        ("def f():\n    return 1\nThis returns 1.", "python", "def f():\n    return 1", "def f():\n    return 1"),
        ("import re\nx = 1", "python", "import re", "import re\nx = 1"),
        ("function f() { if (1) { return 2 } } and so on", "javascript", *["function f() { if (1) { return 2 } }"] * 2),
        ("  return 1; }\nrest", "java", *["  return 1; }"] * 2),
        ("x", "ruby", "x", "x"),
        ("```python\na = 1", "python", "```python", "a = 1"),
        ("```bash\npip install x\n```\n```python\na = 1\n```", "python", "pip install x\n\na = 1", "a = 1"),
        ("", "python", "", ""),
    ],
)
def test_what_is_taken(answer, language, paper, fixed):
    assert extract(answer, language, "paper") == paper
    assert extract(answer, language, "fixed") == fixed


@pytest.mark.parametrize("answer", ["`" * 100_000, "{" * 500_000, "\n" * 1_000_000, "(" * 100_000, "\ud800\x00```\n"])
@pytest.mark.parametrize("language", ["python", "java", "bash"])
def test_nasty_text_is_only_text(answer, language):
    for protocol in ("paper", "fixed"):
        assert isinstance(extract(answer, language, protocol), str)
