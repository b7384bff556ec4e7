"""A build of the toy pipeline, in this process or in one that can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data import toy
from tests.endpoint import Call, Endpoint, Says
from viscodex.data.build import Order
from viscodex.data.recipe import DataRecipe
from viscodex.runner.shards import Shard

RUN = """
import sys
sys.path[:0] = {path!r}
from tests.data.conftest import order_of
from viscodex.data.build import build
from pathlib import Path
build(order_of(url={url!r}, count={count}, workers={workers}, seconds={seconds}), Path(sys.argv[1]))
"""


def say(call: Call) -> Says:
    """The note backwards; some are refused, and many notes are answered alike."""
    words = call.text.partition(": ")[2].split()
    return Says("NO" if len(words) == 4 else " ".join(reversed(words)))


def order_of(
    url: str = "",
    *,
    count: int = 120,
    workers: int = 1,
    shard: str = "1/1",
    ids: int = 100_000,
    poison: str = "",
    seconds: float = 0.0,
    kill: str = "",
    ray: str = "",
    limit: int = 0,
    splits: dict[str, float] | None = None,
    **model: object,
) -> Order:
    llm = {"endpoint": url, "model": "toy", **model} if url else {}
    values = {
        "name": "toy",
        "llm": llm,
        "workers": workers,
        "limit": limit,
        "ray": ray,
        "splits": splits or {"train": 1.0},
    }
    recipe = DataRecipe.parse(values, "a test")
    return Order(
        recipe, [toy.pipeline(count, ids=ids, poison=poison, seconds=seconds, kill=kill)], ["toy"], Shard.parse(shard)
    )


@pytest.fixture
def endpoint():
    with Endpoint(say) as served:
        yield served


@pytest.fixture
def start(repository) -> Callable[..., subprocess.Popen[bytes]]:
    """`start(out, url=…, count=…)`: the build in a process of its own."""

    def begin(out: Path, *, url: str = "", count: int = 120, workers: int = 2, seconds: float = 0.0):
        path = [str(repository), str(repository / "src")]
        code = RUN.format(path=path, url=url, count=count, workers=workers, seconds=seconds)
        return subprocess.Popen([sys.executable, "-c", code, str(out)], cwd=repository, env=dict(os.environ))

    return begin


def files_of(out: Path) -> dict[str, bytes]:
    """What must be the same bytes in two builds."""
    folders = ("data", "rejected", "examples")
    found = [path for name in folders for path in sorted((out / name).rglob("*")) if path.is_file()]
    found += [out / "gallery.html", out / "ATTRIBUTION.md"]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}
