"""A page of a folder made whole, as text: style sheets written into it, scripts left out, pictures as blue blocks.

The page's own text stays as it was written: only what must change is changed.
"""

from __future__ import annotations

import html as entities
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import PIL.Image

from viscodex.core.sample import DAMAGED

BLUE = "#0000ff"
DEPTH = 5
"""Style sheets that import others that import others."""
LARGEST_SHEET = 2 << 20
PHOTOGRAPH = 64
"""Pixels of both sides, from which a picture behind an element is a photograph, and no icon or texture."""
UNKNOWN = (300, 200)
"""Pixels of a picture that is not there and whose size nothing tells."""
SILENT = frozenset({"script", "noscript", "template"})
DROPPED = frozenset({"link", "base", "source", "track"})
FETCHING = frozenset({"src", "srcset", "poster", "data", "background", "ping", "sizes", "loading", "integrity"})
LAZY = re.compile(r"data-(?:src|srcset|original|lazy)\b")

IMPORT = re.compile(r"@import\s+(?:url\()?\s*[\"']?([^\"')\s;]+)[\"']?\s*\)?[^;]*;", re.IGNORECASE)
FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}", re.IGNORECASE)
CHARSET = re.compile(r"@charset\s+[^;]*;|/\*.*?\*/", re.IGNORECASE | re.DOTALL)
SIZE = re.compile(r"(?<!\d)([1-9]\d{1,3})x([1-9]\d{1,3})(?!\d)")
SVG, SVG_HEAD = re.compile(r"<svg\b[^>]*>", re.IGNORECASE), 10_000
URL = re.compile(r"url\(\s*(\"[^\"]*\"|'[^']*'|[^)]*?)\s*\)", re.IGNORECASE)


def self_contained(page: str, folder: Path, root: Path) -> str:
    """A page of `folder` that needs nothing but itself. Files beside it are read as far as they lie below `root`."""
    writer = _Writer(_Place(folder, root.resolve()))
    writer.feed(page)
    writer.close()
    return "".join(writer.written).strip() + "\n"


def block(width: int, height: int) -> str:
    """A blue picture of a size, as the address of an image."""
    return f"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' " + (
        "style='background:%230000ff'/%3E"
    )


@dataclass(frozen=True)
class _Place:
    """Where addresses are relative to, and what they must not leave: a page may name any file of this machine."""

    folder: Path
    root: Path

    def file(self, address: str) -> Path | None:
        """The file an address names, if there is one to be read."""
        parts = urlsplit(address) if len(address) < 2000 else None
        if parts is None or parts.scheme or parts.netloc or not parts.path:
            return None
        path = unquote(parts.path)
        try:
            found = (self.root / path.lstrip("/") if path.startswith("/") else self.folder / path).resolve()
            return found if found.is_relative_to(self.root) and found.is_file() else None
        except (OSError, ValueError, RuntimeError):
            return None


class _Writer(HTMLParser):
    """Copies a page as it is read, but for what would fetch or run something."""

    def __init__(self, place: _Place) -> None:
        HTMLParser.__init__(self, convert_charrefs=False)
        self.place = place
        self.written: list[str] = []
        self._silent = ""
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if self._silent:
            return
        if tag in SILENT:
            self._silent = tag
        elif tag == "link" and _is_sheet(dict(attrs)):
            self.written.append(self._sheet(dict(attrs)))
        elif tag not in DROPPED and not _is_order(tag, dict(attrs)):
            self._in_style = tag == "style"
            self.written.append(self._tag(tag, attrs))

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag in SILENT:
            self._silent = ""
        self._in_style = False

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            self._silent = "" if tag == self._silent else self._silent
        elif tag not in DROPPED:
            self._in_style = False
            self.written.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.written.append(styles(data, self.place) if self._in_style else data)

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")

    def handle_decl(self, decl: str) -> None:
        self.written.append(f"<!{decl}>")

    def _tag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> str:
        """The tag as it was written, unless an attribute must change."""
        values = [(name, value) for name, value in attrs if not _fetches(tag, name, value)]
        values = [(name, _harmless(name, value, self.place)) for name, value in values]
        if tag == "img":
            values = [*values, ("src", block(*self._size(dict(attrs))))]
        if values == list(attrs):
            return self.get_starttag_text() or ""
        written = (f' {name}="{entities.escape(value)}"' if value is not None else f" {name}" for name, value in values)
        end = " /" if (self.get_starttag_text() or "").endswith("/>") else ""
        return f"<{tag}{''.join(written)}{end}>".replace("&#x27;", "'")

    def _size(self, attributes: dict[str, str | None]) -> tuple[int, int]:
        """A picture's own size; where it is not there, what its address (`…/600x400.png`) or the page says."""
        address = attributes.get("src") or ""
        if size := picture_size(self.place, address):
            return size
        if named := SIZE.search(address):
            return int(named[1]), int(named[2])
        told = [re.match(r"\d+", attributes.get(side) or "") for side in ("width", "height")]
        width, height = (int(found[0]) if found else usual for found, usual in zip(told, UNKNOWN, strict=True))
        return width, height

    def _sheet(self, attributes: dict[str, str | None]) -> str:
        found = self.place.file(attributes.get("href") or "")
        media = attributes.get("media") or ""
        text = _sheet_text(found, self.place, DEPTH) if found else ""
        kind = f' media="{entities.escape(media)}"' if media else ""
        return f"<style{kind}>\n{text.strip()}\n</style>" if text.strip() else ""


def styles(css: str, place: _Place, depth: int = DEPTH) -> str:
    """A style sheet that fetches nothing: imports written out, web fonts left out, photographs blue, icons gone."""

    def imported(match: re.Match[str]) -> str:
        file = place.file(match[1])
        return _sheet_text(file, place, depth - 1) if file and depth else ""

    def painted(match: re.Match[str]) -> str:
        address = match[1].strip().strip("\"'")
        if address.startswith(("#", "data:")):
            return match[0]
        size = picture_size(place, address)
        is_photograph = size is not None and min(size) >= PHOTOGRAPH
        return f"linear-gradient({BLUE}, {BLUE})" if is_photograph else "none"

    return URL.sub(painted, IMPORT.sub(imported, FONT_FACE.sub("", CHARSET.sub("", css))))


def _sheet_text(file: Path, place: _Place, depth: int) -> str:
    if file.stat().st_size > LARGEST_SHEET:
        return ""
    return styles(file.read_text(encoding="utf-8", errors="replace"), _Place(file.parent, place.root), depth)


def picture_size(place: _Place, address: str) -> tuple[int, int] | None:
    """Pixels of a picture beside the page, if it is there."""
    file = place.file(address)
    if file is None:
        return None
    if file.suffix.lower() == ".svg":
        return _drawing_size(file)
    try:
        with PIL.Image.open(file) as picture:
            return picture.size
    except (*DAMAGED, PIL.Image.DecompressionBombError):
        return None


def _drawing_size(file: Path) -> tuple[int, int] | None:
    """Pixels of an SVG, as its root says: width and height, else those of its view box."""
    with file.open(encoding="utf-8", errors="replace") as opened:
        root = SVG.search(opened.read(SVG_HEAD))
    if root is None:
        return None
    sides = (rf"\s{side}\s*=\s*[\"']\s*([\d.]+)\s*(?:px)?\s*[\"']" for side in ("width", "height"))
    told = [re.search(side, root[0]) for side in sides]
    box = re.search(r"viewBox\s*=\s*[\"']\s*[-\d.]+[\s,]+[-\d.]+[\s,]+([\d.]+)[\s,]+([\d.]+)", root[0])
    sizes = [found[1] if found else box[place] if box else "" for place, found in enumerate(told, 1)]
    try:
        width, height = (max(1, round(float(size))) for size in sizes)
    except (ValueError, OverflowError):
        return None
    return width, height


def _is_sheet(attributes: dict[str, str | None]) -> bool:
    relations = (attributes.get("rel") or "").lower().split()
    return "stylesheet" in relations and "alternate" not in relations


def _is_order(tag: str, attributes: dict[str, str | None]) -> bool:
    """Whether it tells the browser to go elsewhere, or what it may load."""
    told = (attributes.get("http-equiv") or "").lower()
    return tag == "meta" and told in ("refresh", "content-security-policy", "x-ua-compatible")


def _fetches(tag: str, name: str, value: str | None) -> bool:
    """Whether an attribute would fetch, or run, something."""
    if name.startswith("on") or LAZY.match(name):
        return True
    if name in ("href", "xlink:href") and tag in ("use", "image"):
        return not (value or "").startswith("#")
    return name in FETCHING and not (tag == "img" and name in ("sizes",))


def _harmless(name: str, value: str | None, place: _Place) -> str | None:
    if name == "style" and value and "url(" in value.lower():
        return styles(value, place)
    if name in ("href", "action") and (value or "").strip().lower().startswith(("javascript:", "file:")):
        return "#"
    return value
