"""Who may come in: known hosts, keys, and no more at once than the server can hold. Every refusal is typed."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from viscodex.serve.faults import ApiError
from viscodex.serve.metrics import Metrics

LOCAL = ("localhost", "127.0.0.1", "[::1]", "::1")
KNOWN = ("/v1/chat/completions", "/v1/files", "/v1/models", "/health", "/metrics", "/", "/playground/run")
OPEN = ("/health",)
"""Without a key, for those who watch over the server."""
PLAYGROUND = "/playground/"
KEYED = ("/playground/about", "/playground/look", "/playground/run", "/playground/preview")
"""Of the playground; its page and the previews, whose addresses are secrets, are opened by browsers, without a key."""
LONGEST_WAIT_S = 60
OWNER = "viscodex.key"


def owner(request: Request) -> bytes:
    """The key that a request came with; nothing on a server without keys."""
    key: bytes = request.scope[OWNER]
    return key


class Door:
    """Checks the headers Host and Origin and the key before anything else is looked at, and counts what was answered.

    `hosts` keeps web pages of other sites, whose names may be made to point here, from a server without a key. They may
    also send to our own name what needs no leave, a form: browsers say in Origin whose page it is.
    """

    def __init__(
        self, app: ASGIApp, *, keys: Sequence[str], hosts: Sequence[str], metrics: Metrics, plays: bool
    ) -> None:
        self._app = app
        self._plays = plays
        self._keys = [key.encode() for key in keys]
        self._hosts = hosts
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in KNOWN else "other"

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests.labels(path, str(message["status"])).inc()
            await send(message)

        refusal = self._refusal(scope)
        await (refusal.response() if refusal else self._app)(scope, receive, counted)

    def _refusal(self, scope: Scope) -> ApiError | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").rpartition(":")
        name = (host[0] if host[2].isdigit() else headers.get("host", "")).lower()
        if self._hosts and name not in self._hosts:
            return ApiError(403, f"this server is not called {name!r}", "unknown_host")
        if foreign := _foreign(headers):
            return ApiError(403, f"pages of {foreign[:99]} may not ask this server", "foreign_origin")
        scope[OWNER] = b""
        if not self._keys or self._is_open(scope["path"]):
            return None
        scheme, _, key = headers.get("authorization", "").partition(" ")
        given = key.strip().encode("utf-8", "replace") if scheme.lower() == "bearer" else b""
        scope[OWNER] = given
        if any([hmac.compare_digest(given, known) for known in self._keys]):  # noqa: C419  # all of them, whichever fits
            return None
        message = "no API key: send it as Authorization: Bearer KEY" if not given else "a wrong API key"
        return ApiError(401, message, "invalid_api_key", headers={"www-authenticate": "Bearer"})

    def _is_open(self, path: str) -> bool:
        is_page = path == "/" or (path.startswith(PLAYGROUND) and path not in KEYED)
        return path in OPEN or (self._plays and is_page)


def _foreign(headers: Headers) -> str:
    """Where the web page is from that asks, if not from here; programs send no Origin."""
    host = headers.get("host", "").lower()
    own = (f"http://{host}", f"https://{host}")
    return next((origin for origin in headers.getlist("origin") if origin.lower() not in own), "")


class Places:
    """So many requests at once; whoever comes then is told when to come again."""

    def __init__(self, count: int, metrics: Metrics) -> None:
        self._count = count
        self._metrics = metrics
        self._taken = 0
        self._seconds = 1.0

    @property
    def taken(self) -> int:
        return self._taken

    def enter(self) -> None:
        """Take a place, to be given back with `leave`. ApiError 429: there is none."""
        if self._taken >= self._count:
            message = f"{self._taken} requests are being answered, and there is room for no more"
            raise ApiError(429, message, "too_many_requests", headers={"retry-after": str(self._wait())})
        self._taken += 1
        self._metrics.open.set(self._taken)

    def leave(self, seconds: float) -> None:
        """Give a place back that was held for so long."""
        self._taken -= 1
        self._seconds += 0.2 * (seconds - self._seconds)
        self._metrics.open.set(self._taken)

    def _wait(self) -> int:
        """Whole seconds in which a place is likely to be free: that of one request, about."""
        return max(1, min(LONGEST_WAIT_S, round(self._seconds)))
