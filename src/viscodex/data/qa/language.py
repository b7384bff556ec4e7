"""Which language a code block of a post is in: its class says it, or the first tag of the question that names one."""

from __future__ import annotations

import re
from collections.abc import Sequence

NAMES = {
    "py": "python", "py3": "python", "python3": "python", "ipython": "python",
    "js": "javascript", "ts": "typescript", "cs": "csharp", "c#": "csharp", "c++": "cpp", "cc": "cpp",
    "htm": "html", "sh": "bash", "bsh": "bash", "shell": "bash", "rb": "ruby", "kt": "kotlin", "rs": "rust",
    "golang": "go", "yml": "yaml", "md": "markdown", "pl": "perl", "hs": "haskell", "vb.net": "vb", "vbnet": "vb",
    "none": "", "default": "", "text": "", "txt": "", "plaintext": "",
}  # fmt: skip

TAGS = {
    "python": "python pandas numpy matplotlib django flask scipy seaborn tkinter pyqt pyqt5 pygame plotly-python "
    "scikit-learn keras pytorch tensorflow jupyter-notebook ipython beautifulsoup scrapy kivy opencv-python geopandas",
    "html": "html html5 html-table html-email xhtml bootstrap-4 twitter-bootstrap",
    "css": "css css3 flexbox css-grid sass scss",
    "javascript": "javascript jquery node.js reactjs d3.js vue.js chart.js highcharts leaflet",
    "typescript": "typescript angular",
    "java": "java android spring spring-boot swing javafx",
    "csharp": "c# .net wpf winforms asp.net unity3d",
    "cpp": "c++ qt opencv",
    "c": "c",
    "r": "r ggplot2 shiny dplyr",
    "php": "php laravel wordpress",
    "ruby": "ruby ruby-on-rails",
    "swift": "swift",
    "kotlin": "kotlin",
    "dart": "dart flutter",
    "go": "go",
    "rust": "rust",
    "sql": "sql mysql postgresql sql-server sqlite",
    "bash": "bash shell",
    "matlab": "matlab",
    "latex": "latex",
}
BY_TAG = {tag: language for language, tags in TAGS.items() for tag in tags.split()}

CLASS = re.compile(r"(?:^|\s)(?:snippet-code-\S+\s+)?lang(?:uage)?-([A-Za-z0-9_+#.-]+)")
COMMENT = re.compile(r"^\s*language(?:-all)?:\s*(?:lang-)?([A-Za-z0-9_+#.-]+)")
MARKUP = re.compile(r"<[a-zA-Z!/]")
DECLARATION = re.compile(r"[\w\])*]\s*\{[^{}]*[\w-]+\s*:[^{}]*\}")


def named(word: str) -> str:
    """One name for each language: `lang-py`, `py3` and `python` are "python"; `lang-none` is ""."""
    lower = word.lower()
    return NAMES.get(lower, lower)


def of_class(classes: str) -> str | None:
    """`lang-py prettyprint-override` → "python", `lang-none` → ""; None when no class names a language."""
    match = CLASS.search(classes)
    return named(match[1]) if match and match[1].lower() != "default" else None


def of_comment(text: str) -> str | None:
    """`<!-- language: lang-html -->`, which old posts have before a block; `language-all` holds for all that follow."""
    match = COMMENT.match(text)
    return named(match[1]) if match else None


def of_tags(tags: Sequence[str], code: str) -> str:
    """The first tag that names a language that this can be: what has no tag is no HTML, though the question has one."""
    for tag in tags:
        language = BY_TAG.get(tag) or BY_TAG.get(re.sub(r"-[\d.x]+$", "", tag))  # python-3.x
        if language and _can_be(language, code):
            return language
    return ""


def _can_be(language: str, code: str) -> bool:
    if language == "html":
        return MARKUP.search(code) is not None
    if language == "css":
        return DECLARATION.search(code) is not None
    return True
