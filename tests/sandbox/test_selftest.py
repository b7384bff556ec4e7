"""The self-test keeps its own promise: it finds what is missing."""

from __future__ import annotations

import json
import os

import pytest

from viscodex.cli import main
from viscodex.sandbox import selftest
from viscodex.sandbox.profiles import OPTIONAL, debian_packages, names, npm_packages


def run(capsys, *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main(["sandbox", *words])
    return int(end.value.code or 0), capsys.readouterr().out


def test_every_promise_is_kept_here(backend):
    assert [trial.promise for trial in selftest.examine(backend) if not trial.held] == []


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
    code, page = run(capsys, "selftest", "--backend", backend)
    assert code == 0 and "NOT KEPT" not in page and f"back end: {backend}" in page
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


def test_the_environment_is_as_before(backend):
    before = dict(os.environ)
    list(selftest.examine(backend))
    assert dict(os.environ) == before
