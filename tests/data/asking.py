"""Stages that ask, against a real endpoint on a loopback port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.endpoint import Endpoint
from viscodex.core.sample import Sample
from viscodex.data.client import ClientAsker
from viscodex.data.pipeline import Ask
from viscodex.runner.cache import Cache
from viscodex.runner.llm import Client
from viscodex.runner.service import Service
from viscodex.runner.stage import Result


def ask(endpoint: Endpoint, work: Callable, samples: Sequence[Sample], folder: Path) -> list[Result[Sample]]:
    """The stage's verdicts on some samples, one after the other."""

    async def main() -> list[Result[Sample]]:
        service = Service(url=endpoint.url, model="m", timeout_s=20, tries=2)
        with Cache(folder / "replies.sqlite") as cache:
            async with Client(service, cache) as client:
                return [await work(ClientAsker(client), sample) for sample in samples]

    return asyncio.run(main())


def stage_of(pipeline, name: str) -> Ask:
    return next(stage for stage in pipeline.stages if stage.name == name)
