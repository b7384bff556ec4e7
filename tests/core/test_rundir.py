import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viscodex.core import rundir
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.rundir import JsonLines


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Whole files


@pytest.mark.parametrize("content", ["text λ\n", b"\x00\xff", ""])
def test_atomic_write_leaves_the_file_and_nothing_else(tmp_path, content):
    rundir.atomic_write(tmp_path / "file", content)
    expected = content.encode() if isinstance(content, str) else content
    assert (tmp_path / "file").read_bytes() == expected
    assert names(tmp_path) == ["file"]


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    rundir.atomic_write(tmp_path / "file", "old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        rundir.atomic_write(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_json_goes_and_comes_back(tmp_path):
    value = {"z": 1, "a": ["λ", None, 1.5]}
    rundir.write_json(tmp_path / "x.json", value)
    assert (tmp_path / "x.json").read_text().endswith("}\n")
    assert list(rundir.read_json(tmp_path / "x.json")) == ["z", "a"]
    assert rundir.read_json(tmp_path / "x.json") == value


@pytest.mark.parametrize(
    ("content", "problem"), [(b'{"a": 1,\n}', "line 2"), (b"\xff\xfe\xff", "not UTF-8"), (None, "No such file")]
)
def test_unreadable_json_names_the_file(tmp_path, content, problem):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VisCodexError, match=problem) as caught:
        rundir.read_json(path)
    assert caught.value.where == str(path)


# Output folders


def test_publish_turns_partial_into_out(tmp_path):
    out = tmp_path / "out"
    partial = rundir.partial_path(out)
    partial.mkdir()
    (partial / "file").write_text("x")
    rundir.publish(partial, out)
    assert (out / "file").read_text() == "x"
    assert not partial.exists()


def test_publish_takes_the_place_of_an_empty_folder(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out.partial").mkdir()
    rundir.publish(tmp_path / "out.partial", tmp_path / "out")
    assert names(tmp_path) == ["out"]


def test_publish_does_not_overwrite_what_came_in_meanwhile(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    (tmp_path / "out.partial").mkdir()
    with pytest.raises(UsageError, match="not empty"):
        rundir.publish(tmp_path / "out.partial", tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "precious"
    assert (tmp_path / "out.partial").is_dir()


def test_a_full_folder_a_file_and_a_link_are_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, problem in (("full", "not empty"), ("file", "not a folder"), ("link", "not a folder")):
        with pytest.raises(UsageError, match=problem):
            rundir.require_free(tmp_path / name)


def test_a_free_or_empty_place_is_accepted(tmp_path):
    rundir.require_free(tmp_path / "new")
    rundir.require_free(tmp_path)


@pytest.mark.parametrize("out", [".", "..", "/", "a/.."])
def test_an_output_path_without_a_name_is_refused(out):
    with pytest.raises(UsageError, match="no name of its own"):
        rundir.partial_path(Path(out))


def test_remove_tree_does_not_mind_absence(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    rundir.remove_tree(tmp_path / "a")
    rundir.remove_tree(tmp_path / "a")
    assert not (tmp_path / "a").exists()


# Growing files

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


@given(rows=st.lists(json_values, max_size=5))
def test_rows_come_back_in_order(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    with JsonLines(path) as file:
        for row in rows:
            file.append(row)
    assert list(JsonLines(path)) == rows


def test_half_a_surrogate_pair_survives(tmp_path):
    """Models emit them, and UTF-8 cannot hold them."""
    with JsonLines(tmp_path / "x.jsonl") as file:
        file.append({"text": "\ud83d"})
        file.append({"text": "λ"})
    (tmp_path / "x.jsonl").read_bytes().decode("utf-8")
    assert [row["text"] for row in JsonLines(tmp_path / "x.jsonl")] == ["\ud83d", "λ"]


def test_an_absent_file_has_no_rows(tmp_path):
    assert list(JsonLines(tmp_path / "none.jsonl")) == []


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_torn_tail_is_not_read_and_the_next_row_replaces_it(tmp_path, cut):
    path = tmp_path / "x.jsonl"
    torn = b'{"id": 3}\n'[:-cut]
    path.write_bytes(b'{"id": 1}\n{"id": 2}\n' + torn)
    assert [row["id"] for row in JsonLines(path)] == [1, 2]
    with JsonLines(path) as file:
        file.append({"id": 4})
    assert path.read_bytes() == b'{"id": 1}\n{"id": 2}\n{"id": 4}\n'


def test_a_damaged_row_in_the_middle_is_an_error_with_its_line(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"1\n{oops\n3\n")
    with pytest.raises(VisCodexError, match="line 2 is not valid JSON") as caught:
        list(JsonLines(path))
    assert caught.value.where == str(path)


def test_rows_of_a_writer_that_is_killed(tmp_path):
    """kill -9 in the middle of writing: what is there is a prefix, whole files are old or new, and work goes on."""
    script = textwrap.dedent("""
        import itertools, sys
        from pathlib import Path
        from viscodex.core import rundir
        folder = Path(sys.argv[1])
        rows = rundir.JsonLines(folder / "rows.jsonl")
        for number in itertools.count():
            rows.append({"id": number, "filler": "x" * 5000})
            rundir.atomic_write(folder / "state.json", f'{{"done": {number}}}')
            if number == 20:
                print("running", flush=True)
    """)
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"running\n"
        writer.send_signal(signal.SIGKILL)
    ids = [row["id"] for row in JsonLines(tmp_path / "rows.jsonl")]
    assert ids == list(range(len(ids)))
    assert len(ids) > 20
    assert 20 <= json.loads((tmp_path / "state.json").read_bytes())["done"] <= len(ids)
    with JsonLines(tmp_path / "rows.jsonl") as file:
        file.append({"id": len(ids)})
    assert [row["id"] for row in JsonLines(tmp_path / "rows.jsonl")] == [*ids, len(ids)]
