"""The virtual origin: the only place there is. It serves one page and its files; all else is refused and remembered."""

from __future__ import annotations

import base64
import io
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

ORIGIN = "http://page.invalid"
"""Not https: an insecure origin has no service workers, and nothing is held back as mixed content before we see it."""
URL = f"{ORIGIN}/"
PLACEHOLDER = "rick.jpg"
MOST, LONGEST = 1000, 500
"""How many things of one kind are remembered, and how many characters of each."""

_TYPES = mimetypes.MimeTypes()  # Python's own table, not the machine's
_LOCAL_FILE = re.compile(r"Not allowed to load local resource: (\S+)")


@cache
def placeholder() -> bytes:
    """The picture that stands for every image in Design2Code pages: 1920 × 1080, all (0, 0, 254), a JPEG."""
    import PIL.Image

    buffer = io.BytesIO()
    PIL.Image.new("RGB", (1920, 1080), (0, 0, 254)).save(buffer, "JPEG")
    return buffer.getvalue()


def remember(kept: list[str], text: str) -> None:
    """Add something new to a list that hostile pages cannot make long."""
    text = text[:LONGEST]
    if len(kept) < MOST and text not in kept:
        kept.append(text)


@dataclass
class Origin:
    """Answers the requests of one page. `frame` is the page's main frame."""

    html: str
    files: Mapping[str, bytes]
    frame: str = ""
    served: bool = False
    """Whether the page itself has been handed out; it is, once."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    """(frame, URL), in order."""

    def answer(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The command, with its parameters, that answers a paused request."""
        url, frame = str(request["request"]["url"]), str(request.get("frameId", ""))
        is_document = request.get("resourceType") == "Document"
        if is_document and frame == self.frame and not self.served and url == URL:
            self.served = True
            return _fulfil(request, self.html.encode("utf-8", errors="replace"), "text/html; charset=utf-8")
        content = None if is_document else self._file(url)
        if content is not None:
            kind = _TYPES.guess_type(urlsplit(url).path)[0] or "application/octet-stream"
            return _fulfil(request, content, kind)
        self.refuse(url, frame)
        # An aborted navigation leaves the page where it is; a blocked one would show the browser's own error page.
        reason = "Aborted" if is_document else "BlockedByClient"
        return "Fetch.failRequest", {"requestId": request["requestId"], "errorReason": reason}

    def refuse(self, url: str, frame: str = "") -> None:
        """Remember what was not allowed; the frame tells later whose it was."""
        if len(self.refused) < MOST and not url.startswith(f"{ORIGIN}/favicon.ico"):
            self.refused.append((frame or self.frame, url[:LONGEST]))

    @property
    def last_refused(self) -> str:
        return self.refused[-1][1] if self.refused else "nowhere"

    def blocked(self, frames: set[str]) -> tuple[str, ...]:
        """Distinct refused URLs of these frames: the last requests of the page before may arrive during this one."""
        return tuple(dict.fromkeys(url for frame, url in self.refused if frame in frames))

    def local_file(self, complaint: str) -> bool:
        """Whether the browser's complaint is of an attempt to read a local file, which is then remembered."""
        found = _LOCAL_FILE.search(complaint)
        if found:
            self.refuse(found.group(1))
        return found is not None

    def _file(self, url: str) -> bytes | None:
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" != ORIGIN:
            return None
        path = unquote(parts.path).lstrip("/")
        return placeholder() if path == PLACEHOLDER and path not in self.files else self.files.get(path)


def _fulfil(request: Mapping[str, Any], body: bytes, kind: str) -> tuple[str, dict[str, Any]]:
    headers = {"content-type": kind, "cache-control": "no-store"}
    return "Fetch.fulfillRequest", {
        "requestId": request["requestId"],
        "responseCode": 200,
        "responseHeaders": [{"name": name, "value": value} for name, value in headers.items()],
        "body": base64.b64encode(body).decode(),
    }
