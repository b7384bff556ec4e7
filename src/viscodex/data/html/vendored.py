"""Bootstrap and Tailwind, served to pages offline; and pages freed of them, with only the rules they use written in.

Models like to name a content network: such addresses are led to the packaged files. Both libraries are under the MIT
licence, which stands beside them.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from viscodex.data.html.settings import Css

BOOTSTRAP, TAILWIND = "bootstrap.min.css", "tailwind.js"

SCRIPT = re.compile(r"<script\b[^>]*\bsrc\s*=\s*[\"']?([^\"'\s>]+)[^>]*>\s*</script\s*>", re.IGNORECASE)
SHEET = re.compile(r"<link\b[^>]*\bhref\s*=\s*[\"']?([^\"'\s>]+)[^>]*>", re.IGNORECASE)
STYLE = re.compile(r"[ \t]*<style\b[^>]*>.*?</style\s*>[ \t]*\n?", re.IGNORECASE | re.DOTALL)
END_OF_HEAD = re.compile(r"[ \t]*</head\s*>|(?=<body\b)", re.IGNORECASE)


@cache
def served() -> dict[str, bytes]:
    """What the page's origin serves, by path."""
    folder = resources.files("viscodex.data.html").joinpath("vendored")
    return {name: folder.joinpath(name).read_bytes() for name in (BOOTSTRAP, TAILWIND)}


def localised(page: str) -> str:
    """Addresses of either library, wherever they point, led to the packaged files; Bootstrap's scripts left out."""

    def script(match: re.Match[str]) -> str:
        address = match[1].lower()
        if "tailwind" in address:
            return f'<script src="{TAILWIND}"></script>'
        return "" if "bootstrap" in address or "popper" in address else match[0]

    def sheet(match: re.Match[str]) -> str:
        address = match[1].lower()
        is_bootstrap = "bootstrap" in address and "icon" not in address and ".css" in address
        return f'<link rel="stylesheet" href="{BOOTSTRAP}">' if is_bootstrap else match[0]

    return SHEET.sub(sheet, SCRIPT.sub(script, page))


def style_of(page: str) -> Css:
    """Which library a localised page uses."""
    if any(match[1] == TAILWIND for match in SCRIPT.finditer(page)):
        return "tailwind"
    return "bootstrap" if any(match[1] == BOOTSTRAP for match in SHEET.finditer(page)) else "plain"


def with_styles(page: str, css: str) -> str:
    """The page with this style sheet instead of all that it has."""
    page = STYLE.sub("", page)
    page = SCRIPT.sub(lambda match: "" if match[1] == TAILWIND else match[0], page)
    page = SHEET.sub(lambda match: "" if match[1] == BOOTSTRAP else match[0], page)
    written = f"<style>\n{css.strip()}\n</style>\n"
    head = END_OF_HEAD.search(page)
    place = head.start() if head else 0
    return page[:place] + written + page[place:]
