"""A request's bytes, within limits of size and time."""

from __future__ import annotations

import asyncio

from fastapi import Request
from starlette.requests import ClientDisconnect

from viscodex.serve.faults import ApiError
from viscodex.serve.limits import Limits

DRAIN_S = 30.0  # for what is too large: many clients read an answer only when they have sent all
DRAIN_BYTES = 4  # times the limit

JSON = "application/json"
CLOSE = {"connection": "close"}


async def read(request: Request, limits: Limits, wanted: str = JSON) -> bytes:
    """The whole body. ApiError 408: it came too slowly; 413: too large; 415: declared as another media type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != wanted:
        await _drain(request, limits)
        message = f"a request is {wanted} here, not {kind or 'untyped'}"
        raise ApiError(415, message, "unsupported_media_type", headers=CLOSE)
    if int(request.headers.get("content-length") or 0) > limits.body:  # the server has checked that it is a number
        raise await _too_large(request, limits)
    content = bytearray()
    try:
        async with asyncio.timeout(limits.body_s):
            async for chunk in request.stream():
                content += chunk
                if len(content) > limits.body:
                    content.clear()
                    raise await _too_large(request, limits)
    except TimeoutError:
        message = f"the request was not there after {limits.body_s:g} s"
        raise ApiError(408, message, "request_timeout", headers=CLOSE) from None
    return bytes(content)


async def _too_large(request: Request, limits: Limits) -> ApiError:
    if request.headers.get("expect", "").lower() != "100-continue":  # who asks first has sent nothing yet
        await _drain(request, limits)
    message = f"a request has at most {limits.body / 1e6:.0f} MB"
    return ApiError(413, message, "request_too_large", headers=CLOSE)


async def _drain(request: Request, limits: Limits) -> None:
    """Read and forget, for a while."""
    seen = 0
    try:
        async with asyncio.timeout(DRAIN_S):
            async for chunk in request.stream():
                seen += len(chunk)
                if seen > DRAIN_BYTES * limits.body:
                    return
    except (TimeoutError, ClientDisconnect, RuntimeError):
        return
