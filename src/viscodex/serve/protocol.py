"""Patience with clients, per connection: late heads, answers that nobody reads, what is not HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from viscodex.serve.faults import bad_request
from viscodex.serve.limits import Limits


def patient(limits: Limits) -> type[asyncio.Protocol]:
    """uvicorn's HTTP/1.1 with time limits that it has not got: for a request's head, and for a stuck reader."""

    class Patient(H11Protocol):
        _head: asyncio.TimerHandle | None = None
        _unread: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._await_head()

        def data_received(self, data: bytes) -> None:
            self._await_head()
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._forget("_head")

        def pause_writing(self) -> None:
            super().pause_writing()
            if self._unread is None:
                self._unread = self.loop.call_later(limits.send_s, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._forget("_unread")

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._forget("_head")
            self._forget("_unread")

        def send_400_response(self, msg: str) -> None:
            """In our words' shape; h11 may be beyond answering."""
            response = bad_request(msg, "invalid_http").response()
            headers = [*response.raw_headers, (b"connection", b"close")]
            events: list[Any] = [h11.Response(status_code=400, headers=headers, reason=b"Bad Request")]
            events += [h11.Data(data=bytes(response.body)), h11.EndOfMessage()]
            with contextlib.suppress(h11.LocalProtocolError):
                self.transport.write(b"".join(self.conn.send(event) or b"" for event in events))
            self.transport.close()

        def _await_head(self) -> None:
            """From the first byte after an answer, or the connection itself, to the next request."""
            is_busy = self.cycle is not None and not self.cycle.response_complete
            if self._head is None and not is_busy:
                self._head = self.loop.call_later(limits.head_s, self.transport.abort)

        def _forget(self, name: str) -> None:
            timer: asyncio.TimerHandle | None = getattr(self, name)
            if timer is not None:
                timer.cancel()
                setattr(self, name, None)

    return Patient
