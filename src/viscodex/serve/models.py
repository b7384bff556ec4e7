"""The models of a server: checkpoint folders in this process or in vLLM, and models behind other addresses."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from viscodex.core import console
from viscodex.core.errors import UsageError
from viscodex.model.vllm import Serving
from viscodex.runner.service import Service
from viscodex.serve.engine import Engine, Observer, Writer
from viscodex.serve.upstream import Upstream
from viscodex.serve.watched import Launch, Watched

Runs = Literal["", "vllm"]


@dataclass(frozen=True)
class Models:
    """What to serve, and how. `endpoints`: NAME=URL, the name being the model's there, too."""

    folders: Sequence[Path] = ()
    endpoints: Sequence[str] = ()
    engine: Runs = ""
    serving: Serving = field(default_factory=Serving)
    batch_size: int = 8
    max_pixels: int | None = None
    device: str = ""

    def names(self) -> list[str]:
        """What requests call them. UsageError: there are none, or two of one name, or an endpoint that is none."""
        names = [folder.resolve().name for folder in self.folders]
        names += [_endpoint(text).model for text in self.endpoints]
        if not names:
            raise UsageError("no model to serve", hint="viscodex serve DIR")
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"two models are called {twice[0]}", hint="requests choose by name: rename a folder")
        return names


@contextmanager
def opened(models: Models, observer: Observer) -> Iterator[list[Writer]]:
    """An engine for each model, ready to answer; all of them are closed in the end."""
    with ExitStack() as stack:
        engines: list[Writer] = []
        for folder in models.folders:
            engine = _of_folder(folder, models, observer, stack)
            stack.callback(engine.close)
            engines.append(engine)
        for text in models.endpoints:
            service = _endpoint(text)
            engine = Upstream(service.model, service.url, key=service.key(), observer=observer)
            stack.callback(engine.close)
            engines.append(engine)
        for engine in engines:
            if isinstance(engine, Watched):
                engine.wait_until_well()
        yield engines


def _of_folder(folder: Path, models: Models, observer: Observer, stack: ExitStack) -> Writer:
    if models.engine == "vllm":
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="viscodex-")))
        serving = models.serving
        if models.max_pixels:
            serving = serving.model_copy(update={"max_pixels": models.max_pixels})
        return Watched(folder.resolve().name, Launch(folder, serving, place / "vllm.log"), observer)
    from viscodex.model.formats import quick_dtype
    from viscodex.model.local import Local

    console.say(f"loading {folder}")
    dtype = quick_dtype(folder, models.device)
    local = Local(folder, dtype=dtype, device=models.device, batch_size=models.batch_size, max_pixels=models.max_pixels)
    return Engine(local, observer)


def _endpoint(text: str) -> Service:
    name, _, url = text.partition("=")
    try:
        return Service(url=url, model=name)
    except ValidationError as error:
        problem = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UsageError(problem, where=text, hint="--endpoint NAME=http://127.0.0.1:8000/v1") from None
