"""Any value anywhere in a file of a checkpoint, and any byte: a merge or a proper refusal, and never anything else."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.merge.bench import Bench
from viscodex.core.errors import VisCodexError
from viscodex.core.problems import Problem, summarize
from viscodex.core.rundir import partial_path
from viscodex.merge.job import merge_to_folder
from viscodex.merge.plan import plan_merge
from viscodex.merge.recipe import MergeRecipe

JUNK: list[Any] = [
    *(None, True, False, 0, -1, 1, 7, 2**31, 2**63, 10**30, 0.5, float("nan"), float("inf"), -0.0),
    *("", "x", "\x00", "\ud800", "a\nb", "../x", "x" * 5000, "model.safetensors", "BF16", "qwen2", "llama", "gemma2"),
    *([], [0], ["x"], [[]], {}, {"a": 1}, {"content": 1, "id": "x"}, [1, 2, 3, 4, 5], {"quant_method": "x"}),
]
FILES = ["config.json", "model.safetensors.index.json", "tokenizer.json"]
ROUNDS = int(os.environ.get("VISCODEX_FUZZ_ROUNDS", "25"))  # a thousand have passed; a few watch over changes


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to every value inside a JSON value, tables and lists included."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, entry in inner for place in leaves(entry, (*path, key)))]


def changed(value: Any, generator: random.Random) -> Any:
    """One to three values replaced by junk, removed, or moved under a junk name."""
    for _ in range(generator.randint(1, 3)):
        place = generator.choice(leaves(value))
        junk = generator.choice(JUNK)
        if not place:
            return junk if generator.random() < 0.2 else value
        inside = value
        for key in place[:-1]:
            inside = inside[key]
        kind = generator.random()
        if kind < 0.7:
            inside[place[-1]] = junk
        elif kind < 0.85 or not isinstance(inside, dict):
            del inside[place[-1]]
        else:
            inside[str(junk)] = inside.pop(place[-1])
    return value


def survives(bench: Bench) -> bool:
    """Merge; True for a result, False for a proper refusal. Anything else is raised."""
    settings = {"vlm": str(bench.vlm), "code": str(bench.code), "lambda": 0.7}
    try:
        plan = plan_merge(MergeRecipe.parse(settings, where="fuzz"), bench.out)
        for line in summarize(plan.problems):
            assert len(line) < 2500
            assert line.isprintable()
        assert all(isinstance(problem, Problem) for problem in plan.problems)
        merge_to_folder(plan, bench.out, threads=1)
    except VisCodexError as error:
        assert not partial_path(bench.out).exists()
        assert all(line.isprintable() for line in str(error).splitlines())
        return False
    return True


def mend(bench: Bench, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    if bench.out.exists():
        shutil.rmtree(bench.out)


@pytest.mark.parametrize("role", ["vlm", "code"])
@pytest.mark.parametrize("file", FILES)
def test_junk_in_a_json_file(bench, role, file):
    generator = random.Random(f"{role}/{file}/{ROUNDS}")
    path = bench.folder / role / file
    content = path.read_bytes()
    for _ in range(ROUNDS):
        path.write_text(json.dumps(changed(json.loads(content), generator)))
        survives(bench)
        mend(bench, path, content)
    assert survives(bench)


@pytest.mark.parametrize("role", ["vlm", "code"])
def test_junk_in_a_header(bench, role):
    generator = random.Random(role)
    path = bench.shard(role)
    content = path.read_bytes()
    for _ in range(ROUNDS):
        bench.header(role, lambda header: json.dumps(changed(header, generator)).encode())
        survives(bench)
        mend(bench, path, content)
    assert survives(bench)


@pytest.mark.parametrize("file", ["config.json", "model-00002-of-00002.safetensors", "tokenizer.json"])
def test_noise_in_the_bytes(bench, file):
    generator = random.Random(file)
    path = bench.vlm / file
    content = path.read_bytes()
    for _ in range(ROUNDS // 2):
        noisy = bytearray(content)
        for _ in range(generator.randint(1, 5)):
            noisy[generator.randrange(min(len(noisy), 3000))] = generator.randrange(256)
        path.write_bytes(
            bytes(noisy[: generator.choice([len(noisy), len(noisy) - 1, generator.randrange(len(noisy))])])
        )
        survives(bench)
        mend(bench, path, content)
    assert survives(bench)
