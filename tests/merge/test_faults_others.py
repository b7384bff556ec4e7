"""Others at work on the same files: a second merge into the same output, inputs and outputs that change meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.merge.bench import check_page, ended, plan_of, start
from viscodex.core.rundir import partial_path
from viscodex.merge.staging import staged
from viscodex.merge.step import StepWriter


def test_a_second_process_on_the_same_output_is_refused(bench, refused):
    with suppress(KeyboardInterrupt), staged(plan_of(bench), bench.out):
        assert "another process is writing this output" in refused()
        raise KeyboardInterrupt


def test_of_many_processes_at_once_one_writes_and_the_others_are_refused(bench, tmp_path):
    for attempt in range(3):
        bench.out = bench.folder / f"out-{attempt}"
        logs = [tmp_path / f"log-{attempt}-{number}" for number in range(4)]
        children = [start(bench.arguments(), lambda: None, log) for log in logs]
        runs = [ended(child, log) for child, log in zip(children, logs, strict=True)]
        assert sorted(run.code for run in runs)[0] == 0
        assert [run.code for run in runs].count(0) == 1, runs
        for run in runs:
            if run.code:
                check_page(run.err)
                assert "another process is writing" in run.err or "is not empty" in run.err
        assert not partial_path(bench.out).exists()
        assert {"config.json", "merge.json", "README.md"} <= {path.name for path in bench.out.iterdir()}
        assert not [path for path in bench.out.iterdir() if path.name.startswith(".")]


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x01")


def replace(path: Path) -> None:
    other = path.with_name("other")
    shutil.copy(path, other)
    os.utime(other, ns=(1, 1))
    other.replace(path)


CHANGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "code cut": ("code", lambda p: os.truncate(p, p.stat().st_size // 2), "the file became shorter while it was read"),
    "vlm cut": ("vlm", lambda p: os.truncate(p, p.stat().st_size // 2), "the file became shorter while it was read"),
    "code overwritten": ("code", overwrite, "an input changed while it was read"),
    "vlm overwritten": ("vlm", overwrite, "an input changed while it was read"),
    "code replaced": ("code", replace, "an input changed while it was read"),
    "code deleted": ("code", lambda p: p.unlink(), "an input changed while it was read"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_inputs_that_change_while_they_are_read(bench, cli, monkeypatch, name):
    """The change comes with the first piece that is merged, in the shard that is read first."""
    role, change, words = CHANGES[name]
    bench.tensors(role, lambda t: None)
    path = bench.folder / role / "model.safetensors"
    merge, changed = StepWriter._merge, []

    def changing(*arguments: Any, **more: Any) -> None:
        if not changed:
            changed.append(True)
            change(path)
        merge(*arguments, **more)

    monkeypatch.setattr(StepWriter, "_merge", changing)
    run = cli(bench.arguments())
    assert run.code == 1
    check_page(run.err)
    assert words in run.err
    assert str(path) in run.err
    assert not bench.out.exists()
    assert not partial_path(bench.out).exists()


def test_an_output_that_fills_while_the_merge_runs_is_kept_apart(bench, cli, monkeypatch):
    """The merge is not lost: it stays in OUT.partial, and the same command publishes it once OUT is free again."""
    merge = StepWriter._merge

    def filling(*arguments: Any, **more: Any) -> None:
        bench.out.mkdir(exist_ok=True)
        (bench.out / "precious").write_text("keep")
        merge(*arguments, **more)

    monkeypatch.setattr(StepWriter, "_merge", filling)
    run = cli(bench.arguments())
    assert run.code == 2
    assert "the output folder is not empty" in run.err
    assert [path.name for path in bench.out.iterdir()] == ["precious"]
    monkeypatch.setattr(StepWriter, "_merge", merge)
    shutil.rmtree(bench.out)
    run = cli(bench.arguments())
    assert run.code == 0
    assert "1 of 1 shards are done" in run.err
    assert (bench.out / "model.safetensors").is_file()
