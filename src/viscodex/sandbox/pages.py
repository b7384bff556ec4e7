"""What one asks of a page, and what one learns: the nouns of the browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from viscodex.sandbox.collect import MAX_PIXELS

Status = Literal["ok", "error", "timeout", "memory", "output_limit", "too_large", "navigated", "crashed"]
"""error: a script of the caller's failed in the page. too_large: not drawn, `width` and `height` tell the size.
navigated: the page became another document, or was leaving before it was loaded. crashed: it took the browser along,
twice."""


@dataclass(frozen=True, kw_only=True)
class PageLimits:
    """Ceilings of one page."""

    cpu_s: float = 20.0
    """CPU seconds of all the browser's processes."""
    wall_s: float = 60.0
    """Seconds on the clock, from opening the page to its last capture."""
    side: int = 32_000
    """Pixels of the full page's width, and of its height; Chromium itself gives up between 40,000 and 60,000."""
    pixels: int = MAX_PIXELS
    """Width times height."""
    received: int = 16 << 20
    """Bytes of events (console messages, requests) that the page may cause."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A change to the live page, and what to take after it. Variants apply one after the other, to the same page."""

    script: str
    """A JavaScript function, `() => value` or `async () => value`. It has the page's DOM, but not its globals: the page
    cannot have replaced what it uses. `value` must be plain data."""
    capture: bool = True
    """Whether a picture is taken after it; none is where the script returns false."""


@dataclass(frozen=True, kw_only=True)
class View:
    """How a page is looked at."""

    width: int = 1280
    height: int = 720
    """The window. Pictures are of the full page, and at least this tall."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What the page's own origin serves beside the page, by path (`tailwind.js`); `rick.jpg` is there by itself."""
    capture: bool = True
    """Take the picture of the page as it is; without, `Page.png` is empty, and everything else is measured."""
    text_blocks: bool = True
    variants: tuple[Variant, ...] = ()
    compact: bool = False
    """Smaller PNGs, for a fifth more CPU; the pixels are the same."""
    limits: PageLimits = field(default_factory=PageLimits)


@dataclass(frozen=True)
class TextBlock:
    """The text of one text node, where it was laid out. Pixels of the full page; the box spans all its lines."""

    text: str
    x: float
    y: float
    width: float
    height: float
    color: tuple[int, int, int]
    alpha: float
    """Opacity of the colour itself."""
    font_size: float
    tag: str
    """The element that owns the text."""
    visible: bool
    """Laid out, and not hidden by visibility or opacity; it may still be covered by something."""


@dataclass(frozen=True)
class Capture:
    """What was taken after a variant."""

    png: bytes = field(repr=False)
    """Empty when none was asked for, or wanted by the script."""
    width: int
    height: int
    value: Any = None
    """What the script returned."""


@dataclass(frozen=True)
class Environment:
    """What a picture depends on beside the page; equal environments give equal bytes."""

    browser: str
    """Product and version, as it says itself."""
    executable: str
    fonts: Mapping[str, bool]
    """Debian package → there or not."""
    fonts_sha256: str
    isolation: str
    """The back end that held the browser."""


@dataclass(frozen=True)
class Page:
    """What became of a page. Everything but the picture is there, as far as it was reached, whatever the status."""

    status: Status
    environment: Environment
    detail: str = ""
    """Why, if not ok."""
    png: bytes = field(default=b"", repr=False)
    width: int = 0
    height: int = 0
    text_blocks: tuple[TextBlock, ...] = field(default=(), repr=False)
    captures: tuple[Capture, ...] = ()
    """One for each variant."""
    console_errors: tuple[str, ...] = ()
    """Uncaught exceptions, console.error, and what the browser itself complains of."""
    blocked_urls: tuple[str, ...] = ()
    """Everything the page tried to reach and did not: fetches, navigations, popups, sockets, local files."""
    dialogs: tuple[str, ...] = ()
    """Messages of alerts, questions and prompts; all were dismissed."""
    cpu_s: float = 0.0
    wall_s: float = 0.0

    @property
    def ok(self) -> bool:
        return self.status == "ok"
