"""Where the program is in an answer."""

from __future__ import annotations

import pytest

from viscodex.eval.mmcode.extraction import extract_program


@pytest.mark.parametrize("language", ["python", "py", "Python", "python3", "PYTHON", " python", ""])
def test_tags_of_python(language):
    found = extract_program(f"Sure:\n```{language}\nprint(1)\n```\nDone.")
    assert (found.code, found.is_truncated) == ("print(1)", False)
    assert found.found == ("python" if language else "plain")


@pytest.mark.parametrize(
    ("answer", "code", "found", "is_truncated"),
    [
        ("```python\na\n```\n```python\nbbb\n```", "a", "python", False),
        ("```\nplain\n```\n```python\ntagged\n```", "tagged", "python", False),
        ("```bash\npip\n```\n```\nplain\n```", "plain", "plain", False),
        ("```python\n```\n```python\nb\n```", "b", "python", False),
        ("Look:\n```python\nprint(1", "print(1", "python", True),
        ("```\nprint(1", "print(1", "plain", True),
        ("```python\na\n```\n```python\nb", "a", "python", False),
        ("print(1)\nprint(2)\n", "print(1)\nprint(2)", "whole", False),
        ("```cpp\nint x;\n```", "```cpp\nint x;\n```", "whole", False),
        ("  indented()", "  indented()", "whole", False),
        ("```py\r\nif x:\r\n\ty\r\n```", "if x:\n\ty", "python", False),
        ("<think>```python\nno\n```</think>\n```python\nyes\n```", "yes", "python", False),
        ("", "", "nothing", False),
        (" \n\t", " \n\t".strip("\n"), "nothing", False),
    ],
)
def test_what_is_taken(answer, code, found, is_truncated):
    extracted = extract_program(answer)
    assert (extracted.code, extracted.found, extracted.is_truncated) == (code, found, is_truncated)
