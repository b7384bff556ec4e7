"""How fast a server answers: latency and throughput at rising concurrency, with pictures, over OpenAI's own client."""

from __future__ import annotations

import asyncio
import base64
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import openai

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Image
from viscodex.model.endpoint import encoded
from viscodex.model.prompts import default_prompt

QUANTILES = (0.5, 0.95, 0.99)
TIMES = {"first": "first text (s)", "token": "per token (s)", "whole": "whole answer (s)"}


@dataclass(frozen=True)
class Load:
    """What is asked, and how often. Requests differ in their seeds only."""

    pictures: tuple[bytes, ...]
    prompt: str
    tokens: int = 128
    requests: int = 16


@dataclass(frozen=True)
class Timing:
    """One request, in seconds since it was sent. `tokens`: written; `error`: why it has no answer.

    `is_counted`: the server said how many tokens; else each piece of text is taken for one.
    """

    first: float = 0.0
    whole: float = 0.0
    tokens: int = 0
    error: str = ""
    is_counted: bool = True

    @property
    def token(self) -> float | None:
        """Seconds between tokens, after the first; None where there is no second one."""
        return (self.whole - self.first) / (self.tokens - 1) if self.tokens > 1 else None


def measure(
    url: str, model: str, key: str, load: Load, levels: Sequence[int], tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    """A row for each level of concurrency, after one request that is not counted."""
    return asyncio.run(_measure(url, model, key, load, levels, tell))


async def _measure(
    url: str, model: str, key: str, load: Load, levels: Sequence[int], tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    async with openai.AsyncOpenAI(base_url=url, api_key=key or "none", max_retries=0, timeout=3600) as client:
        name = model or await _only_model(client, url)
        first = await _timed(client, name, load, 0)
        if first.error:
            raise VisCodexError(f"the server does not answer: {first.error}", where=url)
        if not first.is_counted:
            tell("the server does not say how many tokens it writes: each piece of text is taken for one")
        rows = []
        for level in levels:
            tell(f"{level} at a time")
            rows.append(await _level(client, name, load, level))
        return rows


async def _only_model(client: openai.AsyncOpenAI, url: str) -> str:
    try:
        names = [model.id async for model in client.models.list()]
    except openai.OpenAIError as error:
        raise VisCodexError(f"no models can be listed: {error}", where=url) from None
    if not names:
        raise VisCodexError("the server lists no model", where=url, hint="--model NAME")
    return names[0]


async def _level(client: openai.AsyncOpenAI, model: str, load: Load, level: int) -> dict[str, Any]:
    gate = asyncio.Semaphore(level)

    async def one(seed: int) -> Timing:
        async with gate:
            return await _timed(client, model, load, seed)

    began = time.monotonic()
    timings = await asyncio.gather(*(one(seed) for seed in range(1, load.requests + 1)))
    return row(level, timings, time.monotonic() - began)


async def _timed(client: openai.AsyncOpenAI, model: str, load: Load, seed: int) -> Timing:
    began, first, pieces, tokens = time.monotonic(), 0.0, 0, 0
    picture = load.pictures[seed % len(load.pictures)]
    url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    content: list[Any] = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": load.prompt}]
    settings: dict[str, Any] = {"max_tokens": load.tokens, "temperature": 1.0, "seed": seed}
    try:
        stream = await client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": content}],
            stream=True,
            stream_options={"include_usage": True},
            **settings,
        )
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                first = first or time.monotonic() - began
                pieces += 1
            if chunk.usage:
                tokens = chunk.usage.completion_tokens
    except (openai.OpenAIError, httpx2.HTTPError) as error:  # the latter where a stream breaks off
        return Timing(error=f"{type(error).__name__}: {error}")
    whole = time.monotonic() - began
    return Timing(first or whole, whole, tokens or pieces, is_counted=tokens > 0)


def row(level: int, timings: Sequence[Timing], seconds: float) -> dict[str, Any]:
    """What a level of concurrency gave; times are quantiles of the requests that were answered."""
    good = [timing for timing in timings if not timing.error]
    found: dict[str, Any] = {"at a time": level, "requests": len(timings), "errors": len(timings) - len(good)}
    for name, title in TIMES.items():
        times = [time for timing in good if (time := getattr(timing, name)) is not None]
        for quantile in QUANTILES:
            value = np.quantile(times, quantile) if times else None
            found[f"{title}, p{100 * quantile:.0f}"] = None if value is None else round(float(value), 4)
    found["requests/s"] = round(len(good) / seconds, 3)
    found["tokens/s"] = round(sum(timing.tokens for timing in good) / seconds, 1)
    return found


def load_of(paths: Sequence[str], tokens: int, requests: int) -> Load:
    """Pictures from files, or one of our own: noise on a page of 1280 × 720."""
    pictures = [encoded(Image(path=path)) for path in paths] or [_noise()]
    return Load(tuple(pictures), default_prompt("html").text, tokens, requests)


def _noise() -> bytes:
    import PIL.Image

    values = np.random.default_rng(0).integers(0, 256, (18, 32, 3), dtype=np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(values).resize((1280, 720)).save(file, "PNG")
    return file.getvalue()


def plot(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Latency and throughput against concurrency, as PNG or SVG."""
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    levels = [one["at a time"] for one in rows]
    for title in (TIMES["first"], TIMES["whole"]):
        (line,) = left.plot(levels, [one[f"{title}, p50"] for one in rows], marker="o", label=f"{title}, p50")
        left.plot(levels, [one[f"{title}, p95"] for one in rows], "--", color=line.get_color(), label="p95")
    left.set(xlabel="requests at a time", ylabel="seconds", ylim=(0, None))
    left.legend()
    right.plot(levels, [one["tokens/s"] for one in rows], marker="o")
    right.set(xlabel="requests at a time", ylabel="tokens per second", ylim=(0, None))
    figure.savefig(path, dpi=120)
