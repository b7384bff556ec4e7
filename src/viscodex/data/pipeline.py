"""A category's way from raw inputs to samples: a stream of drafts, and the stages that each of them goes through.

The noun is `Sample` from end to end. A draft is a sample that lacks something yet: a style seed has a picture and no
response, a mined script a response and no picture. Every stage takes a sample and keeps it (as it came or changed),
or rejects it with a reason. What a stage learns, it writes into `checks`:

    checks["origin"]      {"name": data set or folder, "id": the row's id there, "attribution": line for ATTRIBUTION.md}
    checks["generator"]   {"model", "params", "prompt_version", "time"}: who wrote the response, if a model did
    checks["hashes"]      {"code_sha256", "image_phash"}
    checks["split"]       where the source says it; else by hash of id
    anything else         one flat fact: "render_ok", "width", "height", "exec_s", "aesthetic", …

Ids are stable: the same input gives the same id on every machine. They begin with the category: "chart-…".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from viscodex.core.chat import Message, Reply
from viscodex.core.sample import Sample
from viscodex.runner.stage import Reject, Result


@dataclass(frozen=True)
class Work:
    """A stage in worker processes: `work(resource, sample)`, where `open()` makes the resource once a process.

    Both are importable or picklable (a function, or a frozen dataclass with `__call__`). `version` is raised whenever
    verdicts change: what the journal knows under the old one is done again.
    """

    name: str
    work: Callable[[Any, Sample], Result[Sample]]
    open: Callable[[], Any] | None = None
    version: int = 1


class Asker(Protocol):
    """Asks a model; the reply is paid for once. Raises AskError, which makes the row `Fail`, not `Reject`."""

    model: str

    async def ask(self, messages: Sequence[Message], *, tag: str, **params: Any) -> Reply: ...


@dataclass(frozen=True)
class Ask:
    """A stage that waits for a model's endpoint: `work(asker, sample)`, a coroutine in the main process.

    Without an endpoint the stage is left out, or `otherwise` (a rule that needs no model) stands in for it; the card
    says which.
    """

    name: str
    work: Callable[[Asker, Sample], Awaitable[Result[Sample]]]
    otherwise: Work | None = None
    version: int = 1


class Memory(Protocol):
    """What a sieve remembers of the samples before: None for a sample that is new, else why it is not."""

    def __call__(self, sample: Sample) -> Reject | None: ...


@dataclass(frozen=True)
class Sieve:
    """A stage that holds samples against those before them (duplicates), in order of id, in the main process."""

    name: str
    memory: Callable[[], Memory]
    version: int = 1


Stage = Work | Ask | Sieve
Draft = tuple[str, Sample]


@dataclass(frozen=True)
class Pipeline:
    """`drafts()` reads the inputs, lazily and in a fixed order; what cannot be a draft comes as a Reject with its id.

    It may be called again, after a kill, and must then give the same ids.
    """

    category: str
    drafts: Callable[[], Iterator[tuple[str, Sample | Reject]]]
    stages: Sequence[Stage]
    inputs: Iterable[str] = ()
    """Paths of the raw inputs, for the card and the resolved recipe."""
