"""Services that answer or judge over HTTP, as a recipe names them; replies are kept, so none is paid for twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import ValidationError

from viscodex.core import console
from viscodex.core.errors import UsageError
from viscodex.eval.judge import Judge, Judging
from viscodex.eval.recipe import EvalRecipe, JudgeSettings
from viscodex.model import vllm
from viscodex.runner.cache import Cache
from viscodex.runner.rate import Quota
from viscodex.runner.server import free_port, running
from viscodex.runner.service import Service
from viscodex.runner.threaded import ThreadedClient

REPLIES = "replies.sqlite"


@contextmanager
def client(url: str, model: str, in_flight: int, folder: Path, ledger: str) -> Iterator[ThreadedClient]:
    """A client of an OpenAI-compatible service; `folder` keeps the replies."""
    try:
        service = Service(url=url, model=model, quota=Quota(in_flight=in_flight))
    except ValidationError as error:
        raise UsageError(error.errors()[0]["msg"].removeprefix("Value error, "), where=url) from None
    with Cache(folder / REPLIES) as cache, ThreadedClient(service, cache, ledger=ledger) as found:
        yield found


@contextmanager
def served(recipe: EvalRecipe, log: Path) -> Iterator[ThreadedClient]:
    """A client of the recipe's model, which vLLM serves for as long as the block runs, on a loopback port.

    Replies are not kept beyond it: another model may come by the same name. Answers are, in predictions.jsonl.
    """
    given = {"host": "127.0.0.1", "port": free_port()}
    serving = recipe.vllm.model_copy(update=given | ({"max_pixels": recipe.max_pixels} if recipe.max_pixels else {}))
    argv = vllm.command(recipe.model, serving)
    console.say(f"starting {' '.join(argv)}")
    with (
        running(argv, vllm.health(serving), log, start_s=serving.start_s, environment=vllm.ENVIRONMENT),
        TemporaryDirectory() as replies,
        client(vllm.url(serving), Path(recipe.model).name, recipe.in_flight, Path(replies), "answers") as found,
    ):
        yield found


@contextmanager
def judge_of(recipe: EvalRecipe, folder: Path) -> Iterator[Judge | None]:
    """The recipe's judge, or None."""
    if not recipe.judge.endpoint:
        yield None
        return
    with client(recipe.judge.endpoint, recipe.judge.model, recipe.in_flight, folder, "judge") as found:
        yield Judge(found, judging(recipe.judge))


def judging(settings: JudgeSettings) -> Judging:
    """How a recipe's judge is asked."""
    unsent = {} if settings.sampling else {"temperature": None, "seed": None}
    asked = Judging(samples=settings.samples, structured=settings.structured, max_tokens=settings.max_tokens)
    return asked.model_copy(update=unsent)
