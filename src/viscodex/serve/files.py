"""Uploads as OpenAI's clients make them: POST and GET /v1/files, GET and DELETE /v1/files/{id}.

A form is what web pages of other sites may send without asking: the door turns them away by their Origin.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from viscodex.serve import body, form
from viscodex.serve.asked import Gallery, misread
from viscodex.serve.desk import Desk, Visit
from viscodex.serve.door import owner
from viscodex.serve.faults import bad_request
from viscodex.serve.limits import Limits
from viscodex.serve.uploads import Upload

PURPOSES = ("vision", "assistants", "user_data")
"""Those for which OpenAI takes pictures."""


class Listing(BaseModel):
    """How a list is wanted."""

    model_config = ConfigDict(extra="forbid")

    purpose: str | None = None
    limit: int = Field(default=10_000, ge=1, le=10_000)
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None


def add(app: FastAPI, desk: Desk) -> None:
    """The routes."""
    uploads = desk.uploads

    @app.post("/v1/files")
    async def upload(request: Request) -> dict[str, Any]:
        with Visit(desk):
            content = await body.read(request, desk.limits, form.KIND)
            kind, loop = request.headers["content-type"], asyncio.get_running_loop()
            made = await loop.run_in_executor(desk.readers, _upload, content, kind, owner(request), desk.limits)
            uploads.keep(made)
            return made.body

    @app.get("/v1/files")
    async def files(request: Request) -> dict[str, Any]:
        try:
            wanted = Listing.model_validate(dict(request.query_params))
        except ValidationError as error:
            raise misread(error, Listing.model_fields) from None
        return _listed(uploads.of(owner(request)), wanted)

    @app.get("/v1/files/{name}")
    async def file(request: Request, name: str) -> dict[str, Any]:
        return uploads.get(name, owner(request)).body

    @app.delete("/v1/files/{name}")
    async def delete(request: Request, name: str) -> dict[str, Any]:
        uploads.drop(name, owner(request))
        return {"id": name, "object": "file", "deleted": True}


def _upload(content: bytes, kind: str, whose: bytes, limits: Limits) -> Upload:
    """A form as an upload, looked at as pictures in data URIs are."""
    sent = form.read(content, kind)
    sent.only(("file", "purpose"))
    file, purpose = sent.file("file"), sent.text("purpose")
    if purpose not in PURPOSES:
        raise bad_request(f"files are for {', '.join(PURPOSES)} here, not for {purpose[:99]}", param="purpose")
    return Upload(file.filename, purpose, Gallery(limits).add(file.data, "file"), whose)


def _listed(found: list[Upload], wanted: Listing) -> dict[str, Any]:
    if wanted.order == "asc":
        found = found[::-1]
    if wanted.purpose is not None:
        found = [one for one in found if one.purpose == wanted.purpose]
    if wanted.after is not None:
        ids = [one.id for one in found]
        if wanted.after not in ids:
            raise bad_request(f"no file {wanted.after[:99]!r} to go on from", param="after")
        found = found[ids.index(wanted.after) + 1 :]
    shown = found[: wanted.limit]
    ends = {"first_id": shown[0].id, "last_id": shown[-1].id} if shown else {"first_id": None, "last_id": None}
    return {"object": "list", "data": [one.body for one in shown], "has_more": len(shown) < len(found), **ends}
