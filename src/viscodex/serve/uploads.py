"""Pictures that were uploaded, for requests that name them: in memory, and bounded in number, bytes and age."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from viscodex.core.sample import Image
from viscodex.serve.faults import ApiError
from viscodex.serve.limits import Limits

PREFIX = "file-"


def not_uploaded(name: str, param: str | None) -> ApiError:
    message = f"no file {name[:99]!r} here: it was never uploaded, was deleted, or made room for later ones"
    return ApiError(404, message, "file_not_found", param)


@dataclass(frozen=True)
class Upload:
    """A picture that has been looked at. `owner`: the key it came with; others do not see it."""

    filename: str
    purpose: str
    image: Image
    owner: bytes = field(default=b"", repr=False)
    id: str = field(default_factory=lambda: PREFIX + secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def size(self) -> int:
        return len(self.image.read())

    @property
    def body(self) -> dict[str, Any]:
        """OpenAI's File object."""
        told = {"id": self.id, "object": "file", "bytes": self.size, "created_at": self.created}
        return {**told, "filename": self.filename, "purpose": self.purpose, "status": "processed"}


class Uploads:
    """The uploads of all; when there are too many, those that were unused longest go first. For several threads."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Upload] = OrderedDict()  # the one that was unused longest is the first
        self._used: dict[str, float] = {}
        self._bytes = 0

    def keep(self, upload: Upload) -> None:
        """ApiError 413: it is larger than all of them may be together."""
        if upload.size > self._limits.file_bytes:
            message = f"uploads have at most {self._limits.file_bytes / 1e6:.0f} MB together"
            raise ApiError(413, message, "request_too_large", "file")
        with self._lock:
            self._kept[upload.id] = upload
            self._used[upload.id] = self._clock()
            self._bytes += upload.size
            self._clear()

    def get(self, name: str, owner: bytes, param: str = "id") -> Upload:
        """An upload by its id, which is thereby used. ApiError 404: there is none (any more), or another's."""
        with self._lock:
            self._clear()
            found = self._kept.get(name)
            if found is None or found.owner != owner:
                raise not_uploaded(name, param)
            self._kept.move_to_end(name)
            self._used[name] = self._clock()
            return found

    def drop(self, name: str, owner: bytes) -> None:
        """ApiError 404, as `get`."""
        self.get(name, owner)
        with self._lock:
            if name in self._kept:
                self._forget(name)

    def of(self, owner: bytes) -> list[Upload]:
        """Those of one owner, the latest first."""
        with self._lock:
            self._clear()
            mine = [one for one in self._kept.values() if one.owner == owner]
        return sorted(mine, key=lambda one: one.created, reverse=True)

    def _clear(self) -> None:
        """Let go what is too old or too much."""
        limits, now = self._limits, self._clock()
        while self._kept:
            name = next(iter(self._kept))
            is_too_much = len(self._kept) > limits.files or self._bytes > limits.file_bytes
            if not is_too_much and now - self._used[name] <= limits.file_s:
                return
            self._forget(name)

    def _forget(self, name: str) -> None:
        self._bytes -= self._kept.pop(name).size
        del self._used[name]
