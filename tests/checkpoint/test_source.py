"""Where a checkpoint comes from: what is no folder and no hub id is said in one page."""

from __future__ import annotations

import pytest

from viscodex.checkpoint.source import resolve
from viscodex.core.errors import VisCodexError


def refusal(name: str) -> str:
    with pytest.raises(VisCodexError) as caught:
        resolve(name)
    text = str(caught.value)
    assert len(text) < 700
    assert all(line.isprintable() for line in text.splitlines())
    return text


def test_a_folder_is_taken(tmp_path):
    assert resolve(str(tmp_path)) == tmp_path


def test_a_hub_id_without_a_network_says_what_to_do():
    text = refusal("some-org/some-model-that-is-not-cached")
    assert "the hub cannot be reached" in text
    assert "hf download some-org/some-model-that-is-not-cached" in text


@pytest.mark.parametrize("revision", ["main", "v1.0"])
def test_a_hub_id_with_a_revision(revision):
    assert "some-org/some-model" in refusal(f"some-org/some-model@{revision}")


@pytest.mark.parametrize(
    "name", ["", ".x", "/no/such/folder", "~/no/such/folder", "~no-such-user/x", "a/b/c", "word", "a\0b", "x" * 5000]
)
def test_what_is_neither_folder_nor_id(name):
    assert "no such checkpoint folder" in refusal(name)


@pytest.mark.parametrize("name", ["a--b/c", "-a/b", "a/b..c", "../x", "a/" + "b" * 200, "a/b.git"])
def test_what_only_looks_like_an_id(name):
    refusal(name)


def test_files_are_no_checkpoints(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert "quantised for inference" in refusal(str(tmp_path / "model.gguf"))
    assert f"name its folder: {tmp_path}" in refusal(str(tmp_path / "model.safetensors"))


def test_a_link_to_itself(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    assert "no such checkpoint folder" in refusal(str(tmp_path / "loop"))


def test_names_with_escapes_do_not_reach_the_terminal(tmp_path):
    assert "\\x1b[31m" in refusal("/no/\x1b[31mred\nand a second line")
