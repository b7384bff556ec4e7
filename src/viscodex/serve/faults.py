"""What is answered when a request cannot be: a status, and an error in the shape that OpenAI's clients know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from viscodex.core.errors import did_you_mean

LEFT = 499
"""The status of an answer that nobody waited for; nginx's word for it."""
TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """A request that is refused, or an answer that failed. `code` is for programs, `message` for people."""

    def __init__(
        self, status: int, message: str, code: str, param: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """`{"error": {message, type, param, code}}`."""
        kind = TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status, self.headers)


def bad_request(message: str, code: str = "invalid_value", param: str | None = None) -> ApiError:
    return ApiError(400, message, code, param)


def answer_errors(app: FastAPI) -> None:
    """Every answer is typed, whatever went wrong: unknown paths and our own faults, too."""

    async def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ApiError)
        return error.response()

    async def not_here(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            paths = [getattr(route, "path", "") for route in app.routes]
            message = f"no such path: {request.url.path}; {did_you_mean(request.url.path, paths)}"
            return ApiError(404, message, "not_found").response()
        headers = dict(error.headers or {})
        return ApiError(error.status_code, str(error.detail), "not_allowed", headers=headers).response()

    async def our_fault(request: Request, error: Exception) -> JSONResponse:
        return ApiError(500, f"a fault in the server: {type(error).__name__}", "internal_error").response()

    async def left(request: Request, error: Exception) -> Response:
        return Response(status_code=LEFT)

    app.add_exception_handler(ApiError, refused)
    app.add_exception_handler(ClientDisconnect, left)
    app.add_exception_handler(HTTPException, not_here)
    app.add_exception_handler(Exception, our_fault)
