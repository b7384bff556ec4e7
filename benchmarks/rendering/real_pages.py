"""Sixty real pages, or more, to measure rendering on: documentation from Debian packages, templates from npm.

They are fetched once into a cache folder by apt-get and npm, never kept in the repository, and made self-contained
the way Design2Code makes its pages: style sheets inlined, scripts dropped, every picture replaced by rick.jpg.
"""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from viscodex.core.rundir import cache_folder

DEBIAN = ("python3.11-doc", "sqlite3-doc")
NPM = (
    "agency@7.0.12",
    "blog-home@5.0.9",
    "business-casual@7.0.9",
    "clean-blog@6.0.9",
    "coming-soon@6.0.7",
    "creative@7.0.7",
    "freelancer@7.0.7",
    "grayscale@7.0.6",
    "heroic-features@5.0.6",
    "landing-page@6.0.6",
    "modern-business@5.0.7",
    "new-age@6.0.7",
    "one-page-wonder@6.0.6",
    "resume@7.0.6",
    "sb-admin@7.0.7",
    "shop-homepage@5.0.6",
    "simple-sidebar@6.0.6",
    "stylish-portfolio@6.0.6",
)
COUNT, TEMPLATES = 60, 34
SMALLEST, LARGEST = 4_000, 60_000
"""Bytes of a documentation page: larger ones are reference chapters of 30,000 pixels and more."""


def real_pages(more: int = 0) -> dict[str, str]:
    """Name → self-contained HTML of the sixty pages, fetched if they are not in the cache.

    `more`: so many documentation pages, and what templates there are, beside them.
    """
    folder = cache_folder() / "real-pages"
    fetch(folder)
    templates = sorted(folder.glob("npm/*/package/dist/*.html"))
    chosen = templates[:: len(templates) // TEMPLATES][:TEMPLATES]
    for package in DEBIAN:
        pages = [
            p for p in sorted((folder / "debian" / package).rglob("*.html")) if SMALLEST < p.stat().st_size < LARGEST
        ]
        wanted = (COUNT - TEMPLATES) // len(DEBIAN)
        chosen += pages[:: len(pages) // wanted][:wanted]
        if more:
            left = [page for page in pages if page not in set(chosen)]
            chosen += left[:: max(1, len(left) * len(DEBIAN) // more)][: more // len(DEBIAN)]
    if more:
        chosen += [page for page in templates if page not in set(chosen)]
    return {str(path.relative_to(folder)): self_contained(path) for path in chosen}


def documentation() -> list[Path]:
    """Every page of the documentation packages that is more than a frame, fetched if they are not in the cache."""
    folder = cache_folder() / "real-pages"
    fetch(folder)
    pages = [page for package in DEBIAN for page in sorted((folder / "debian" / package).rglob("*.html"))]
    return [page for page in pages if page.stat().st_size > SMALLEST]


def fetch(folder: Path) -> None:
    """Download and unpack what is missing."""
    for package in DEBIAN:
        target = folder / "debian" / package
        if not target.exists():
            target.mkdir(parents=True)
            subprocess.run(["apt-get", "download", "-qq", package], cwd=target, check=True)
            (archive,) = target.glob("*.deb")
            subprocess.run(["dpkg-deb", "--extract", archive.name, "."], cwd=target, check=True)
    for package in NPM:
        target = folder / "npm" / package
        if not target.exists():
            target.mkdir(parents=True)
            name = f"startbootstrap-{package}"
            subprocess.run(["npm", "pack", "--silent", name], cwd=target, check=True, stdout=subprocess.DEVNULL)
            (archive,) = target.glob("*.tgz")
            with tarfile.open(archive) as tar:
                tar.extractall(target, filter="data")
            archive.unlink()


def self_contained(path: Path) -> str:
    """A page with its style sheets inlined, without scripts, its pictures replaced by rick.jpg."""
    html = path.read_text(encoding="utf-8", errors="replace")
    html = re.sub(r"<script\b.*?</script>", "", html, flags=re.DOTALL | re.IGNORECASE)
    html = re.sub(r"<link\b[^>]*>", lambda match: _inlined(match.group(0), path.parent), html, flags=re.IGNORECASE)
    html = re.sub(r"(<img\b[^>]*\bsrc=)(\"[^\"]*\"|'[^']*')", r'\1"rick.jpg"', html, flags=re.IGNORECASE)
    return re.sub(r"url\((?!\s*['\"]?(?:data:|#))[^)]*\)", "url(rick.jpg)", html)


def _inlined(link: str, folder: Path) -> str:
    if "stylesheet" not in link.lower():
        return ""
    href = re.search(r"href=[\"']([^\"']+)", link)
    sheet = folder / unquote(urlsplit(href.group(1)).path) if href else None
    if sheet is None or not sheet.is_file():
        return ""
    text = re.sub(r"@import[^;]*;", "", sheet.read_text(encoding="utf-8", errors="replace"))
    return f"<style>{text}</style>"
