"""The self-test keeps its own promise: it finds what is missing."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from viscodex.cli import main
from viscodex.sandbox import backends, selftest
from viscodex.sandbox.profiles import OPTIONAL, debian_packages, language_of, names, npm_packages


def run(capsys, *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main(["sandbox", *words])
    return int(end.value.code or 0), capsys.readouterr().out


def test_every_promise_is_kept_here(backend):
    before = dict(os.environ)
    assert [trial for trial in selftest.examine(backend) if not trial.held] == []
    assert dict(os.environ) == before


def test_without_isolation_promises_are_seen_to_be_broken():
    broken = {trial.promise for trial in selftest.examine("none") if not trial.held}
    seen = {
        "dangerous system calls are refused",
        "no network, not even this machine's services",
        "other processes cannot be looked into",
        "runs without root, new privileges or an unfiltered kernel",
    }
    assert seen <= broken


def test_the_command_prints_a_table_or_json(capsys, backend):
    first = "bwrap" if not backends.problem("bwrap") else "landlock"
    if backend == first:
        code, page = run(capsys, "selftest")
        assert code == 0 and "NOT KEPT" not in page and f"back end: {backend}" in page
    else:
        code, page = run(capsys, "selftest", "--backend", backend, "--json")
        value = json.loads(page)
        assert code == 0 and value["kept"] and len(value["promises"]) == len(selftest.PROMISES)


def test_a_wrong_back_end_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as end:
        main(["sandbox", "selftest", "--backend", "bwarp"])
    assert end.value.code == 2
    assert 'did you mean "bwrap"?' in capsys.readouterr().err


def test_languages_are_listed(capsys):
    code, page = run(capsys, "languages", "--json")
    assert code == 0
    listed = json.loads(page)
    assert list(listed) == names()
    assert listed["python"]["version"].startswith("Python 3")


def test_the_doctor_says_what_holds_programs(backend):
    found = {finding.name: finding for finding in selftest.findings()}
    assert found["back end"].status in ("ok", "optional")
    assert found["memory cap"].status in ("ok", "optional")


def test_every_package_is_declared_where_the_setup_reads_it(repository):
    declared = (repository / "src/viscodex/doctor/tools.txt").read_text()
    words = {word for line in declared.splitlines() if not line.startswith("#") for word in line.split("|")[2].split()}
    present = {"python3", "python3-numpy", "bash"}  # Python's own, or part of every system
    assert set(debian_packages()) - present <= words | {"nodejs"}
    assert {f"npm:{name}" for name in npm_packages()} <= words
    assert set(OPTIONAL) <= set(names())


@pytest.mark.parametrize(
    ("name", "code", "expected", "exit_code"),
    [
        ("double.py", "print(int(input()) * 2)", "42\n", 0),
        ("fail.sh", "echo out; exit 3", "out\n", 3),
        ("loop.py", "while True: pass", "", 137),
        ("broken.c", "int main() { return undefined; }", "", 1),
    ],
)
def test_one_program_is_run(capsys, monkeypatch, tmp_path, name, code, expected, exit_code):
    (tmp_path / name).write_text(code)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"21\n")))
    assert run(capsys, "run", str(tmp_path / name), "--cpu", "0.5") == (exit_code, expected)


def test_one_program_is_told_about_as_json(capsys, monkeypatch, tmp_path):
    (tmp_path / "p.rb").write_text("puts 1")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    code, page = run(capsys, "run", str(tmp_path / "p.rb"), "--json", "--unsafe-local")
    told = json.loads(page)
    assert code == 0 and (told["stdout"], told["isolation"], told["status"]) == ("1\n", "none", "ok")
    with pytest.raises(SystemExit) as end:
        main(["sandbox", "run", str(tmp_path / "p.unknown")])
    assert end.value.code == 2


def test_languages_are_known_by_their_extensions():
    pairs = (
        "py python, js javascript, ts typescript, java java, c c, cpp cpp, go go, rs rust, cs csharp, rb ruby, php php"
    )
    known = dict(pair.split() for pair in f"{pairs}, R r, sh bash, kt kotlin, dart dart, swift swift".split(", "))
    assert {extension: language_of(Path(f"x.{extension}")) for extension in known} == known
