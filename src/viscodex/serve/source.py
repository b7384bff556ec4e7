"""Who answers: a model in this process, or one behind a URL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from viscodex.core import console
from viscodex.core.errors import UsageError
from viscodex.model.generate import Generator


@contextmanager
def generator(
    model: str, endpoint: str = "", *, device: str = "", max_pixels: int | None = None, in_flight: int = 8
) -> Iterator[Generator]:
    """A source of answers, closed in the end. With an endpoint, `model` is its name there."""
    if endpoint:
        yield from _served(endpoint, model, in_flight)
        return
    if not model:
        raise UsageError("nobody is there to answer", hint="--model DIR, or --endpoint URL --model NAME")
    from viscodex.model.formats import quick_dtype
    from viscodex.model.local import Local

    console.say(f"loading {model}")
    yield Local(model, dtype=quick_dtype(model, device), device=device, max_pixels=max_pixels)


def _served(url: str, model: str, in_flight: int) -> Iterator[Generator]:
    """Replies are kept for as long as this lasts: who asks anew wants a new answer."""
    from viscodex.model.endpoint import Endpoint
    from viscodex.runner.cache import Cache
    from viscodex.runner.rate import Quota
    from viscodex.runner.service import Service
    from viscodex.runner.threaded import ThreadedClient

    if not model:
        raise UsageError("an endpoint serves models by name", hint="--endpoint URL --model NAME")
    try:
        service = Service(url=url, model=model, quota=Quota(in_flight=in_flight))
    except ValidationError as error:
        raise UsageError(error.errors()[0]["msg"].removeprefix("Value error, "), where=url) from None
    with (
        tempfile.TemporaryDirectory(prefix="viscodex-") as folder,
        Cache(Path(folder) / "replies.sqlite") as cache,
        ThreadedClient(service, cache) as client,
    ):
        yield Endpoint(client)
