"""Outputs that cannot be written, disks that fill up, rights that lack: refused, and nothing is left."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.merge.bench import Bench, check_page, plan_of, snapshot
from viscodex.core.rundir import partial_path
from viscodex.merge.staging import staged

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changing the user and mounting need root")


# ---- outputs


def filled(bench: Bench) -> None:
    bench.out.mkdir()
    (bench.out / "precious").write_text("keep")


def below_a_file(bench: Bench) -> None:
    (bench.folder / "file").touch()
    bench.out = bench.folder / "file" / "out"


def link(bench: Bench) -> None:
    (bench.folder / "real").mkdir()
    bench.out.symlink_to("real")


def foreign(bench: Bench) -> None:
    partial_path(bench.out).mkdir()
    (partial_path(bench.out) / "precious").write_text("keep")


def foreign_journal(text: str) -> Any:
    def damage(bench: Bench) -> None:
        foreign(bench)
        (partial_path(bench.out) / ".progress.jsonl").write_text(text)

    return damage


def of_another_recipe(bench: Bench) -> None:
    plan = plan_of(bench, **{"lambda": 0.25})
    with pytest.raises(KeyboardInterrupt), staged(plan, bench.out) as staging:
        staging.finished({"shard": plan.shards[0].file})
        raise KeyboardInterrupt
    assert partial_path(bench.out).is_dir()


def partial_is_a_file(bench: Bench) -> None:
    partial_path(bench.out).touch()


def set_out(place: Callable[[Bench], Path]) -> Any:
    return lambda b: setattr(b, "out", place(b))


IN_THE_WAY = "is in the way"
OUTPUTS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "not empty": (filled, ("the output folder is not empty", "/out", "choose another --out")),
    "a file": (lambda b: b.out.touch(), ("the output path is not a folder", "/out")),
    "a link": (link, ("the output path is not a folder", "/out")),
    "a link to itself": (lambda b: b.out.symlink_to("out"), ("the output path is not a folder", "/out")),
    "a pipe": (lambda b: os.mkfifo(b.out), ("the output path is not a folder", "/out")),
    "below a file": (below_a_file, ("the output lies below a file", "/file")),
    "an input": (set_out(lambda b: b.vlm), ("the output folder is not empty", "/vlm")),
    "inside an input": (set_out(lambda b: b.code / "out"), ("the output lies inside an input", "the code's folder")),
    "deep inside an input": (set_out(lambda b: b.vlm / "a" / "b" / "c"), ("lies inside an input", "the vlm's folder")),
    "inside an input by ..": (set_out(lambda b: b.code / ".." / "vlm" / "out"), ("lies inside an input", "the vlm's")),
    "a name too long": (set_out(lambda b: b.folder / ("x" * 300)), ("File name too long",)),
    "a name too long for .partial": (set_out(lambda b: b.folder / ("x" * 250)), ("File name too long",)),
    "no name": (set_out(lambda b: Path("/")), ("the output",)),
    "the folder above": (set_out(lambda b: Path("..")), ("the output",)),
    "a zero byte": (set_out(lambda b: b.folder / "a\0b"), ("--out", "embedded null byte")),
    "a foreign OUT.partial": (foreign, ("a folder that no merge has written", IN_THE_WAY, "out.partial", "rm -r")),
    "a foreign journal": (foreign_journal('{"some": "thing"}\n'), ("no merge has written", IN_THE_WAY, "out.partial")),
    "a journal of lists": (foreign_journal("[1]\n[2]\n"), ("no merge has written", IN_THE_WAY)),
    "a journal of noise": (foreign_journal("noise\nnoise\n"), ("no merge has written", IN_THE_WAY)),
    "an empty foreign journal": (foreign_journal(""), ("no merge has written", IN_THE_WAY)),
    "OUT.partial of another recipe": (
        of_another_recipe,
        ("an unfinished merge with other settings or inputs", IN_THE_WAY, "out.partial", "rm -r"),
    ),
    "OUT.partial is a file": (partial_is_a_file, ("cannot write here",)),
    "OUT.partial is an input": (
        lambda b: (
            (b.vlm.rename(b.folder / "x.partial"), setattr(b, "vlm", b.folder / "x.partial"))
            and setattr(b, "out", b.folder / "x")
        ),
        ("no merge has written", IN_THE_WAY, "x.partial"),
    ),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_that_cannot_be_written_is_refused(bench, refused, name, monkeypatch):
    damage, words = OUTPUTS[name]
    damage(bench)
    monkeypatch.chdir(bench.folder)
    text = refused()
    assert [word for word in words if word not in text] == [], text


def test_the_hint_can_be_typed_as_it_stands(bench, refused):
    bench.out = bench.folder / "an out with 'quotes'"
    foreign(bench)
    hint = refused().split("then ")[1].strip()
    subprocess.run(hint, shell=True, check=True)
    assert not partial_path(bench.out).exists()


def test_folders_made_for_a_merge_that_fails_are_taken_away(bench, refused):
    bench.tensors("code", lambda t: t["model.norm.weight"].__setitem__(0, float("nan")))
    bench.out = bench.folder / "new" / "newer" / "out"
    assert "NaN" in refused()


def test_an_empty_output_folder_is_taken(bench, cli):
    bench.out.mkdir()
    assert cli(bench.arguments()).code == 0
    assert (bench.out / "config.json").is_file()


# ---- disks


@pytest.fixture
def disk(bench: Bench) -> Iterator[Callable[[str], Path]]:
    """A small disk of its own for the output."""
    folder = bench.folder / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        try:
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True)
        except FileNotFoundError:
            pytest.skip("no mount command")
        if done.returncode:
            pytest.skip(f"a disk cannot be mounted here: {done.stderr.decode().strip()}")
        return folder

    yield mount
    subprocess.run(["umount", folder], capture_output=True)


@needs_root
def test_too_small_a_disk_is_found_before_a_byte_is_written(bench, refused, disk):
    bench.out = disk("size=300k") / "out"
    text = refused()
    assert "not enough disk space" in text
    assert "0.0 GB free" in text


@needs_root
@pytest.mark.parametrize("size", ["300k", "456k"], ids=["at a shard", "at the files beside them"])
def test_a_disk_that_fills_up(bench, refused, disk, size, monkeypatch):
    monkeypatch.setattr("viscodex.merge.checks.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 1 << 40))
    bench.out = disk(f"size={size}") / "out"
    bench.settings["shard_size"] = "100KB"
    text = refused()
    assert "the disk is full; nothing was kept" in text
    assert "/disk/out" in text


@needs_root
def test_a_disk_that_is_read_only(bench, refused, disk):
    bench.out = disk("ro") / "out"
    assert "no right to write the output there" in refused()


def test_a_limit_on_the_size_of_files(bench, forked):
    before = snapshot(bench.folder)
    run = forked(bench.arguments(), lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)))
    assert run.code == 1
    check_page(run.err)
    assert "cannot write the result: File too large" in run.err
    assert snapshot(bench.folder) == before


def test_a_limit_on_open_files(bench, forked):
    before = snapshot(bench.folder)
    held = len(os.listdir("/proc/self/fd")) + 4  # noqa: PTH208
    run = forked(bench.arguments(), lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (held, held)))
    assert run.code == 1
    check_page(run.err)
    assert "Too many open files" in run.err
    assert snapshot(bench.folder) == before


# ---- rights


@pytest.fixture
def open_bench(bench: Bench) -> Iterator[Bench]:
    """The bench where anybody may come by: below /tmp, and readable."""
    with tempfile.TemporaryDirectory(prefix="viscodex-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        shutil.copytree(bench.folder, folder / "trio")
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield Bench(folder / "trio", settings={})


def becoming_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


RIGHTS: dict[str, tuple[Callable[[Bench], object], tuple[str, ...]]] = {
    "folder not readable": (lambda b: b.code.chmod(0o700), ("the checkpoint folder is not readable", "/code", "chmod")),
    "folder not listable": (lambda b: b.code.chmod(0o711), ("the checkpoint folder is not readable", "/code")),
    "shard not readable": (
        lambda b: b.shard("vlm").chmod(0o600),
        ("cannot read a shard", "vlm: model-00001-of-00002.safetensors", "Permission denied"),
    ),
    "config not readable": (lambda b: (b.vlm / "config.json").chmod(0), ("cannot read config.json", "/vlm")),
    "index not readable": (lambda b: (b.vlm / "model.safetensors.index.json").chmod(0), ("cannot read", "index.json")),
    "tokenizer not readable": (lambda b: (b.code / "tokenizer.json").chmod(0), ("tokenizer.json", "/code")),
    "a side file not readable": (
        lambda b: (b.vlm / "preprocessor_config.json").chmod(0),
        ("a file beside the weights cannot be read", "/vlm/preprocessor_config.json"),
    ),
    "folder above the input": (lambda b: b.folder.chmod(0o700), ("no such checkpoint folder", "/vlm")),
    "folder above the output": (
        lambda b: ((b.folder / "closed").mkdir(mode=0o555), setattr(b, "out", b.folder / "closed" / "out")),
        ("no right to write the output there", "/closed"),
    ),
    "output not listable": (lambda b: b.out.mkdir(mode=0o700), ("--out",)),
}


@needs_root
@pytest.mark.parametrize("name", RIGHTS)
def test_rights_that_lack_are_named(open_bench, forked, cli, name):
    cli([*open_bench.arguments(), "--dry-run"])  # whatever is imported late is imported now, with all rights
    damage, words = RIGHTS[name]
    open_bench.folder.chmod(0o777)
    damage(open_bench)
    before = snapshot(open_bench.folder)
    run = forked(open_bench.arguments(), becoming_nobody)
    assert run.code in (1, 2), run
    check_page(run.err)
    assert [word for word in words if word not in run.err] == [], run.err
    assert snapshot(open_bench.folder) == before
