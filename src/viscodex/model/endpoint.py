"""A `Generator` behind any OpenAI-compatible URL: vLLM, SGLang, a provider."""

from __future__ import annotations

import collections.abc
import hashlib
import io
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from viscodex.core.chat import AskError, Message, Reply, Request
from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Image, Sample
from viscodex.model.chat import turns
from viscodex.model.extract import extract
from viscodex.model.generate import Completion, Finish, Sampling, Stream, Usage

if TYPE_CHECKING:
    import PIL.Image

PLAIN_FORMATS = ("PNG", "JPEG")
PLAIN_MODES = ("RGB", "L", "1", "P")
ORIENTATION = 0x0112  # the EXIF tag; 1: upright
UPRIGHT = (None, 1)


class Client(Protocol):
    """What the endpoint needs of a client: `runner.threaded.ThreadedClient` is one."""

    @property
    def model(self) -> str: ...

    def ask_all(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Reply | AskError]]:
        """Replies as they come, the same request objects beside them; requests are drawn as they are needed."""
        ...

    def stream(self, request: Request) -> collections.abc.Generator[str, None, Reply]: ...


class Endpoint:
    """Answers of a model that is served elsewhere; retries, limits and the cache are the client's.

    `params` are added to every request as they are; None takes one out that a service does not know (`seed`). The
    service may add settings of its own, such as a repetition penalty of the checkpoint: see `vllm.command`.
    """

    def __init__(self, client: Client, *, params: Mapping[str, Any] | None = None) -> None:
        self.client = client
        self.params = dict(params or {})
        self.name = f"endpoint/{client.model}"

    def generate(self, samples: Iterable[Sample], sampling: Sampling) -> Iterator[Completion]:
        """Answers as they come, many at a time; what cannot be asked, or is not answered, finishes by error."""
        asked: dict[int, tuple[Request, Sample]] = {}
        failures: deque[Completion] = deque()

        def requests() -> Iterator[Request]:
            for sample in samples:
                try:
                    messages = conversation(sample)
                except VisCodexError as error:
                    failures.extend(self._failure(sample, index, error) for index in range(sampling.n))
                    continue
                for index in range(sampling.n):
                    request = self._request(sample, messages, sampling, index)
                    asked[id(request)] = request, sample
                    yield request

        for request, reply in self.client.ask_all(requests()):
            _, sample = asked.pop(id(request))
            yield from _drained(failures)
            if isinstance(reply, AskError):
                yield self._failure(sample, request.index, reply)
            else:
                yield self._completion(sample, request.index, reply)
        yield from _drained(failures)

    def stream(self, sample: Sample, sampling: Sampling) -> Stream:
        """One answer, piece by piece (the first of `n`)."""
        return Stream(self._stream(sample, sampling))

    def _stream(self, sample: Sample, sampling: Sampling) -> collections.abc.Generator[str, None, Completion]:
        started = time.monotonic()
        try:
            request = self._request(sample, conversation(sample), sampling, 0)
            reply = yield from self.client.stream(request)
        except VisCodexError as error:
            return self._failure(sample, 0, error)
        return self._completion(sample, 0, reply.model_copy(update={"seconds": time.monotonic() - started}))

    def _request(self, sample: Sample, messages: tuple[Message, ...], sampling: Sampling, index: int) -> Request:
        wanted = parameters(sample, sampling, index) | self.params
        params = {name: value for name, value in wanted.items() if value is not None}
        return Request(self.client.model, messages, params, index)

    def _completion(self, sample: Sample, index: int, reply: Reply) -> Completion:
        finish: Finish = "length" if reply.finish == "length" else "stop"
        return Completion(
            sample_id=sample.id,
            text=reply.text,
            code=extract(reply.text, sample.kind),
            finish=finish,
            usage=Usage(prompt_tokens=reply.prompt_tokens, completion_tokens=reply.completion_tokens),
            seconds=reply.seconds,
            generator=self.name,
            index=index,
        )

    def _failure(self, sample: Sample, index: int, error: VisCodexError) -> Completion:
        reason = f"{error.fault}: {error.problem}" if isinstance(error, AskError) else error.problem
        return Completion(sample_id=sample.id, finish="error", generator=self.name, index=index, reason=reason)


def conversation(sample: Sample) -> tuple[Message, ...]:
    """The prompt as a message, after those that came before it: texts and pictures in reading order."""
    if not sample.prompt:
        raise VisCodexError("the sample has no prompt")
    return tuple(
        Message(turn.role, tuple(part if isinstance(part, str) else encoded(part) for part in turn.parts))
        for turn in turns(sample)
    )


def parameters(sample: Sample, sampling: Sampling, index: int) -> dict[str, Any]:
    """Our settings in the words of the protocol; each answer draws from a seed of its own, greedy ones need none."""
    settings: dict[str, Any] = {"temperature": sampling.temperature, "max_tokens": sampling.max_new_tokens}
    if sampling.temperature > 0:
        digest = hashlib.sha256(f"{sampling.seed}/{index}/{sample.id}".encode("utf-8", "surrogatepass")).digest()
        settings |= {"top_p": sampling.top_p, "seed": int.from_bytes(digest[:4], "little") >> 1}
    if sampling.stop:
        settings["stop"] = list(sampling.stop)
    return settings


def encoded(image: Image) -> bytes:
    """A picture as it is sent: the file itself if every reader sees the same in it, else as `Image.load` sees it.

    Services do not agree on transparency, rotation by EXIF, animations and rare formats.
    """
    import PIL.Image

    content, picture = image.read(), image.load()
    with PIL.Image.open(io.BytesIO(content)) as opened:
        if _is_plain(opened):
            return content
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _is_plain(picture: PIL.Image.Image) -> bool:
    return (
        picture.format in PLAIN_FORMATS
        and picture.mode in PLAIN_MODES
        and "transparency" not in picture.info
        and getattr(picture, "n_frames", 1) == 1
        and picture.getexif().get(ORIENTATION) in UPRIGHT
    )


def _drained(failures: deque[Completion]) -> Iterator[Completion]:
    while failures:
        yield failures.popleft()
