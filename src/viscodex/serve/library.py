"""The same from Python: `viscodex.load(…)` and `model.generate("shot.png", kind="html").code`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Image, Kind, Sample
from viscodex.model.generate import Completion, Generator, Sampling, Stream
from viscodex.model.prompts import task
from viscodex.serve.generate import Written, write
from viscodex.serve.kind import kind_of
from viscodex.serve.refine import Refining, Round, refine
from viscodex.serve.source import generator

Picture = str | Path | bytes | Image
"""A path, or an encoded picture."""


class Model:
    """A source of answers, ready to be asked. Close it when done, or use it in a `with`."""

    def __init__(self, source: Generator, closing: ExitStack) -> None:
        self.generator = source
        self.name = source.name
        self._closing = closing

    def generate(
        self, picture: Picture | Sequence[Picture] = (), *, kind: Kind | None = None, prompt: str = "", **settings: Any
    ) -> Completion:
        """The answer; its `code` is what was asked for. `settings` are `Sampling`'s; with n > 1, the best is returned.

        VisCodexError: there is no answer.
        """
        completion = self.write(picture, kind=kind, prompt=prompt, **settings).completion
        if completion.finish == "error":
            raise VisCodexError(completion.reason)
        return completion

    def write(
        self,
        picture: Picture | Sequence[Picture] = (),
        *,
        kind: Kind | None = None,
        prompt: str = "",
        runs: bool = False,
        **settings: Any,
    ) -> Written:
        """All answers with what became of them; `runs`: run a single one, too."""
        (written,) = write(self.generator, [_task(picture, kind, prompt)], Sampling(**settings), runs=runs)
        return written

    def stream(
        self, picture: Picture | Sequence[Picture] = (), *, kind: Kind | None = None, prompt: str = "", **settings: Any
    ) -> Stream:
        """The answer piece by piece."""
        return self.generator.stream(_task(picture, kind, prompt), Sampling(**settings))

    def refine(
        self,
        picture: Picture | Sequence[Picture] = (),
        *,
        kind: Kind | None = None,
        prompt: str = "",
        rounds: int = 3,
        then: Sequence[str] = (),
        **settings: Any,
    ) -> Iterator[Round]:
        """Rounds of running, comparing and revising; `best_of(list(…))` is the one to keep."""
        return refine(self.generator, _task(picture, kind, prompt), Sampling(**settings), Refining(rounds=rounds), then)

    def close(self) -> None:
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load(model: str | Path, *, endpoint: str = "", device: str = "", max_pixels: int | None = None) -> Model:
    """A checkpoint folder as a model that can be asked; with `endpoint`, the model of that name behind a URL."""
    with ExitStack() as stack:
        source = stack.enter_context(generator(str(model), endpoint, device=device, max_pixels=max_pixels))
        return Model(source, stack.pop_all())
    raise AssertionError  # for type checkers: the stack swallows nothing


def _task(picture: Picture | Sequence[Picture], kind: Kind | None, prompt: str) -> Sample:
    several = [picture] if isinstance(picture, str | Path | bytes | Image) else picture
    images = [_image(one) for one in several]
    if not images and not prompt:
        raise VisCodexError("neither a picture nor a prompt")
    chosen = kind or (kind_of(images[0].load()) if images else "qa")
    return task(chosen, images, prompt)


def _image(picture: Picture) -> Image:
    if isinstance(picture, Image):
        return picture
    return Image(data=picture) if isinstance(picture, bytes) else Image(path=str(picture))
