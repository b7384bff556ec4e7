"""Killed half-way: the same command goes on, and in the end every file is what an undisturbed run writes."""

from __future__ import annotations

import math
import os
import random
import shlex
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.merge.bench import Bench, check_page, ended, start
from viscodex.core.rundir import partial_path
from viscodex.merge.staging import PROGRESS
from viscodex.merge.step import StepWriter

LARGE = {"vocab_size": 12_000, "layers": 8}  # with shards of at most 20 kB long enough to be hit
METHODS = ["task_arithmetic", "dare_ties", "metagpt"]


@pytest.fixture(scope="module")
def large(tiny: Any) -> Path:
    return Path(tiny(**LARGE).vlm.parent)


def a_bench(folder: Path, method: str) -> Bench:
    settings = {"method": method, "base": str(folder / "base"), "shard_size": "20KB"}
    if method == "metagpt":
        path = folder.parent / "metagpt.toml"
        path.write_text('method = "metagpt"\nname = "task-arithmetic"\n')
        return Bench(folder, recipe=str(path), settings=settings)
    return Bench(folder, settings=settings)


def files(folder: Path) -> dict[str, bytes]:
    """Name → content; hashing would only be slower."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def at_work(child: int) -> bool:
    return os.waitpid(child, os.WNOHANG) == (0, 0)


def shards_done(bench: Bench) -> int:
    try:
        return max((partial_path(bench.out) / PROGRESS).read_bytes().count(b"\n") - 1, 0)
    except FileNotFoundError:  # not begun, or published meanwhile
        return 0


def kill_at(bench: Bench, log: Path, shard: int, delay: float) -> None:
    """Start a merge and SIGKILL it `delay` seconds after that many shards are done, unless it has ended before."""
    child, due = start(bench.arguments(), lambda: None, log), math.inf
    while at_work(child):
        if due == math.inf and shards_done(bench) >= shard:
            due = time.monotonic() + delay
        if time.monotonic() >= due:
            os.kill(child, signal.SIGKILL)
            assert ended(child, log).code == -signal.SIGKILL
            return


@pytest.mark.parametrize("method", METHODS)
def test_killed_at_any_moment_again_and_again_the_result_is_the_same(large, tmp_path, cli, method):
    bench = a_bench(large, method)
    bench.out = tmp_path / "undisturbed"
    assert cli(bench.arguments()).code == 0
    wanted = files(bench.out)
    shards = sum(name.endswith(".safetensors") for name in wanted)
    assert shards > 20
    generator = random.Random(method)
    bench.out = tmp_path / "disturbed"
    hits = 0
    for _ in range(8):
        kill_at(bench, tmp_path / "log", generator.randint(shards_done(bench), shards), generator.random() * 0.02)
        if bench.out.exists():
            assert files(bench.out) == wanted
            shutil.rmtree(bench.out)
        else:
            hits += 1
    run = cli(bench.arguments())
    assert run.code == 0, run.err
    assert not partial_path(bench.out).exists()
    assert files(bench.out) == wanted
    assert hits >= 2


@pytest.mark.parametrize("shard", [1, 7, 20])
def test_killed_between_shards_only_the_rest_is_written(large, tmp_path, cli, shard):
    bench = a_bench(large, "task_arithmetic")
    bench.out = tmp_path / "out"
    kill_at(bench, tmp_path / "log", shard, 0.0)
    done = shards_done(bench)
    assert done >= shard
    before = {path.name: path.stat().st_mtime_ns for path in partial_path(bench.out).glob("*.safetensors")}
    run = cli([*bench.arguments(), "--json"])
    assert run.code == 0
    assert f"{done} of " in run.err
    assert f'"resumed_shards": {done}' in run.out
    untouched = [name for name, written in before.items() if (bench.out / name).stat().st_mtime_ns == written]
    assert len(untouched) >= done


def test_killed_while_the_side_files_are_written(bench, tmp_path, cli):
    """Half-written temporary files of the killed run are not published."""
    assert cli(bench.arguments()).code == 0
    wanted = files(bench.out)
    killed = bench.folder / "killed"
    partial = partial_path(killed)
    stop_when_done(bench, cli, killed)
    (partial / ".README.md.123.tmp").write_text("half")
    (partial / "tokenizer.json").write_text("half")
    (partial / "chat_template.jinja").write_text("of a file that the vlm has no more")
    bench.out = killed
    assert cli(bench.arguments()).code == 0
    assert files(killed) == wanted


def stop_when_done(bench: Bench, cli: Any, out: Path) -> None:
    """Leave OUT.partial as a run leaves it that is interrupted after its last shard."""
    before, bench.out = bench.out, out
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("viscodex.merge.run.write_index", interrupt)
        assert cli(bench.arguments()).code == 130
    bench.out = before


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("loss", [Path.unlink, lambda shard: os.truncate(shard, 100)], ids=["removed", "cut"])
def test_a_finished_shard_that_was_lost_is_written_again(bench, cli, loss):
    bench.settings["shard_size"] = "50KB"
    assert cli(bench.arguments()).code == 0
    wanted = files(bench.out)
    bench.out = bench.folder / "again"
    stop_when_done(bench, cli, bench.out)
    loss(sorted(partial_path(bench.out).glob("*.safetensors"))[2])
    run = cli(bench.arguments())
    assert run.code == 0, run.err
    assert files(bench.out) == wanted


def test_a_journal_cut_in_its_last_line_costs_one_shard(bench, cli):
    bench.settings["shard_size"] = "50KB"
    assert cli(bench.arguments()).code == 0
    wanted = files(bench.out)
    bench.out = bench.folder / "again"
    stop_when_done(bench, cli, bench.out)
    journal = partial_path(bench.out) / PROGRESS
    os.truncate(journal, journal.stat().st_size - 3)
    run = cli([*bench.arguments(), "--json"])
    assert run.code == 0, run.err
    done, shards = run.err.split("partial: ")[1].split(" of ")
    assert int(done) == int(shards.split()[0]) - 1
    assert files(bench.out) == wanted


def test_ctrl_c_ends_with_130_and_a_line_that_continues(bench, cli, monkeypatch):
    bench.settings |= {"shard_size": "50KB", "weights": "[ 1.0 ]"}
    bench.out = bench.folder / "an out with spaces"
    merge, calls = StepWriter._merge, []

    def interrupted(*arguments: Any, **more: Any) -> None:
        calls.append(1)
        if len(calls) == 12:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
        merge(*arguments, **more)

    monkeypatch.setattr(StepWriter, "_merge", interrupted)
    run = cli(bench.arguments())
    assert run.code == 130
    assert not bench.out.exists()
    line = run.err.strip().splitlines()[-1]
    assert line.startswith("interrupted; to continue: viscodex merge task-arithmetic ")
    words = shlex.split(line.partition(": ")[2])[1:]
    assert words == bench.arguments()
    monkeypatch.setattr(StepWriter, "_merge", merge)
    run = cli(words)
    assert run.code == 0
    assert "resuming" in run.err
    wanted = bench.folder / "wanted"
    again, bench.out = bench.out, wanted
    assert cli(bench.arguments()).code == 0
    assert files(again) == files(wanted)


def tokens_swapped(bench: Bench) -> None:
    def swap(content: Any) -> None:
        tokens = content["model"]["vocab"]
        tokens["a"], tokens["b"] = tokens["b"], tokens["a"]

    bench.json("code/tokenizer.json", swap)


def rewritten(bench: Bench) -> None:
    path = bench.shard("code")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


CHANGED: dict[str, Callable[[Bench], object]] = {
    "λ": lambda b: b.more.extend(["--lambda", "0.6"]),
    "seed": lambda b: b.settings.update(seed="7"),
    "shard size": lambda b: b.settings.update(shard_size="60KB"),
    "format": lambda b: b.settings.update(dtype="float32"),
    "a shard of an input": rewritten,
    "which rows match": tokens_swapped,
    "whether the head is tied": lambda b: [b.config(role, tie_word_embeddings=True) for role in ("vlm", "code")],
    "another code model": lambda b: setattr(b, "code", Path(shutil.copytree(b.code, b.folder / "other"))),
}


@pytest.mark.parametrize("name", CHANGED)
def test_with_another_recipe_or_other_inputs_it_is_refused(bench, cli, name):
    bench.settings["shard_size"] = "50KB"
    stop_when_done(bench, cli, bench.out)
    before = files(partial_path(bench.out))
    CHANGED[name](bench)
    run = cli(bench.arguments())
    assert run.code == 2
    check_page(run.err)
    assert "an unfinished merge with other settings or inputs is in the way" in run.err
    assert f"rm -r {partial_path(bench.out)}" in run.err
    assert files(partial_path(bench.out)) == before


def test_threads_and_verbosity_are_no_other_settings(bench, cli):
    stop_when_done(bench, cli, bench.out)
    run = cli([*bench.arguments(), "--threads", "1", "--check", "none", "--quiet"])
    assert run.code == 0


def test_a_run_that_is_refused_does_not_cost_an_earlier_one(bench, cli):
    """A merge was killed; the next try finds an input gone: OUT.partial is kept for when it is back."""
    stop_when_done(bench, cli, bench.out)
    before = files(partial_path(bench.out))
    hidden = bench.shard("code").rename(bench.folder / "hidden")
    assert cli(bench.arguments()).code == 1
    assert files(partial_path(bench.out)) == before
    hidden.rename(bench.shard("code"))
    run = cli(bench.arguments())
    assert run.code == 0
    assert "1 of 1 shards are done" in run.err
