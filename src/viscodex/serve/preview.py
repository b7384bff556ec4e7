"""Pages that a model wrote, shown in the reader's own browser: at addresses of their own, in an origin of their own.

The headers do the work, so that an address that is opened by itself is as harmless as the frame. Without scripts, which
is how a page is shown unless the reader asks otherwise, nothing in it acts. With scripts it runs in an opaque origin,
without connections: see `POLICY`, and `GUARD` for what policies leave open.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass

PATH = "/playground/preview/"
KEPT = 64
KEPT_BYTES = 32 << 20

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; media-src data: blob:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'; "
)
STILL = POLICY + "sandbox"
LIVE = (
    POLICY + "script-src 'unsafe-inline'; require-trusted-types-for 'script'; trusted-types default; "
    "webrtc 'block'; sandbox allow-scripts"
)
HEADERS = {
    "connection-allowlist": "()",  # WebRTC is beyond a policy of contents; Chromium has this since 2026
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-dns-prefetch-control": "off",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}
GUARD = """<script>
for (const name of Object.getOwnPropertyNames(self)) if (/rtc|webtransport/i.test(name)) delete self[name];
self.trustedTypes?.createPolicy("default", {
  createHTML: (text, _, sink) => (/srcdoc/i.test(sink) ? "" : text.replace(/srcdoc/gi, "data-srcdoc")),
  createScript: (text) => text,
  createScriptURL: (url) => url,
});
document.currentScript.remove();
</script>"""
"""WebRTC takes no notice of connect-src. It goes, and with it frames of inline pages, which would have it anew."""
BEFORE_HEAD = re.compile(r"\s*(?:<!--.*?-->\s*)*(?:<!doctype[^>]*>)?", re.IGNORECASE | re.DOTALL)
SRCDOC = re.compile("srcdoc", re.IGNORECASE)


@dataclass(frozen=True)
class Preview:
    """A page, and whether its scripts run."""

    page: bytes
    is_live: bool


class Previews:
    """The latest pages, each at an address that cannot be guessed."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Preview] = OrderedDict()

    def keep(self, code: str, *, is_live: bool) -> str:
        """The path of a page from now on, until later ones take its place."""
        page = guarded(code) if is_live else code
        name = secrets.token_urlsafe(18)
        self._kept[name] = Preview(page.encode("utf-8", "replace"), is_live)
        while len(self._kept) > KEPT or self._bytes() > KEPT_BYTES:
            self._kept.popitem(last=False)
        return PATH + name

    def get(self, name: str) -> Preview | None:
        return self._kept.get(name)

    def _bytes(self) -> int:
        return sum(len(one.page) for one in self._kept.values())


def headers(preview: Preview, destination: str) -> dict[str, str]:
    """Those it is sent with. `destination`: what the browser says it is for; a tab of its own runs no scripts.

    Nothing holds back a script there that goes elsewhere, while a frame may go only where the page around it allows.
    """
    is_live = preview.is_live and destination == "iframe"
    return HEADERS | {"content-security-policy": LIVE if is_live else STILL}


def guarded(code: str) -> str:
    """A page with our script before its own, in the mode (quirks or not) that it asks for."""
    start = BEFORE_HEAD.match(code)
    assert start is not None
    before, after = code[: start.end()], code[start.end() :]
    return before + GUARD + SRCDOC.sub("data-srcdoc", after)
