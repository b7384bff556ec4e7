"""Pictures by address: from a folder, from what was fetched before, or from the few hosts that may be asked.

Every redirect is checked like the address itself; sizes are counted as bytes come in; a picture is measured by its
header before it is decoded. What a host says for good (404, not a picture) is remembered; what may pass (a timeout,
5xx) is an error of ours, so that the row is tried again and never judged by it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from viscodex.core.errors import VisCodexError
from viscodex.core.rundir import atomic_write, cache_folder
from viscodex.data.qa import addresses
from viscodex.data.qa.pace import Pace
from viscodex.data.qa.settings import PictureSettings

REDIRECTS = 4
GONE = b"gone "
AGENT = "viscodex-data (pictures of questions, for attribution-licensed data sets)"


class NoPictureError(Exception):
    """There is no such picture for us: `reason` is a reason to reject."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class UnreachableError(VisCodexError):
    """The host could not be asked, this time."""


@dataclass(frozen=True)
class Fetcher:
    """Reads and fetches; one per process, the cache and the pace are shared."""

    settings: PictureSettings
    client: Any = None
    """An httpx client; None stays offline."""

    @classmethod
    def open(cls, settings: PictureSettings) -> Fetcher:
        return cls(settings, _client(settings) if settings.online else None)

    def close(self) -> None:
        if self.client is not None:
            self.client.close()

    def get(self, urls: Sequence[str]) -> bytes:
        """The first of these addresses that gives a file, in order. NoPictureError, UnreachableError."""
        failure = NoPictureError("picture_address", "no address")
        for url in urls:
            try:
                return self._one(url)
            except NoPictureError as error:
                failure = error
        raise failure

    def _one(self, url: str) -> bytes:
        if problem := addresses.problem(url, self.settings.hosts):
            raise NoPictureError("picture_address", f"{problem}: {url[:200]}")
        if (content := self._from_folder(url)) is not None:
            return content
        failure = NoPictureError("picture_missing", f"not in the folder: {url[:200]}")
        for name in addresses.names(url):
            if addresses.problem(name, self.settings.hosts):
                continue
            try:
                return self._remembered(name)
            except NoPictureError as error:
                failure = error
        raise failure

    def _from_folder(self, url: str) -> bytes | None:
        if not self.settings.folder:
            return None
        for path in addresses.places(Path(self.settings.folder), url):
            if path.is_file():
                if path.stat().st_size > self.settings.largest_bytes:
                    raise NoPictureError("picture_large", f"{path.stat().st_size} bytes: {path.name}")
                return path.read_bytes()
        return None

    def _remembered(self, url: str) -> bytes:
        """From the cache, or from the host and then into the cache."""
        path = self._cache / hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()
        if path.is_file():
            content = path.read_bytes()
            if content.startswith(GONE):
                reason, _, detail = content.removeprefix(GONE).decode().partition(" ")
                raise NoPictureError(reason, detail)
            return content
        if self.client is None:
            raise NoPictureError("picture_missing", f"offline, and not in the folder or the cache: {url[:200]}")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            content = self._ask(url)
        except NoPictureError as error:
            atomic_write(path, GONE + f"{error.reason} {error}".encode())
            raise
        atomic_write(path, content)
        return content

    @property
    def _cache(self) -> Path:
        return Path(self.settings.cache) if self.settings.cache else cache_folder() / "pictures"

    def _ask(self, url: str) -> bytes:
        deadline = time.monotonic() + self.settings.timeout_s
        pace = Pace(self._cache / "pace", self.settings.per_second)
        for _ in range(REDIRECTS + 1):
            if problem := addresses.problem(url, self.settings.hosts):
                raise NoPictureError("picture_address", f"redirected to {problem}: {url[:200]}")
            pace.wait()
            answer = self._answer(url, deadline)
            if isinstance(answer, bytes):
                return answer
            url = urljoin(url, answer)
        raise NoPictureError("picture_address", f"more than {REDIRECTS} redirects")

    def _answer(self, url: str, deadline: float) -> bytes | str:
        """What the address gives, or where it sends us."""
        import httpx2

        try:
            with self.client.stream("GET", url) as response:
                if response.status_code in (301, 302, 303, 307, 308) and "location" in response.headers:
                    return str(response.headers["location"])
                _check(response, url)
                return b"".join(self._limited(response.iter_raw(), deadline, url))
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise UnreachableError(f"{type(error).__name__}: {error}", where=url) from error

    def _limited(self, chunks: Iterator[bytes], deadline: float, url: str) -> Iterator[bytes]:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > self.settings.largest_bytes:
                raise NoPictureError("picture_large", f"more than {self.settings.largest_bytes} bytes")
            if time.monotonic() > deadline:
                raise UnreachableError("the picture takes too long", where=url)
            yield chunk


def _check(response: Any, url: str) -> None:
    status = int(response.status_code)
    if status == 429 or status >= 500:
        raise UnreachableError(f"HTTP {status}", where=url)
    if status != 200:
        raise NoPictureError("picture_missing", f"HTTP {status}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise NoPictureError("picture_unreadable", "a compressed answer, though we asked for none")


def _client(settings: PictureSettings) -> Any:
    """No redirects of its own, no proxy or credentials from the environment, nothing compressed."""
    import httpx2

    headers = {"user-agent": AGENT, "accept": "image/*", "accept-encoding": "identity"}
    return httpx2.Client(headers=headers, timeout=settings.timeout_s, follow_redirects=False, trust_env=False)
