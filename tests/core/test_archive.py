"""A zip's members by name, held against Python's own reader; damage costs a member or is an error, never a crash."""

from __future__ import annotations

import contextlib
import io
import struct
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viscodex.core import archive
from viscodex.core.archive import Archive, MemberError
from viscodex.core.errors import VisCodexError

NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    lambda name: not name.startswith("/") and "\\" not in name and not name.endswith("/")
)


def write(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


@given(st.dictionaries(NAMES, st.binary(max_size=200), max_size=8), st.sampled_from([0, 8]))
@settings(max_examples=50)
def test_it_reads_what_zipfile_reads(members: dict[str, bytes], method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.zip"
        path.write_bytes(buffer.getvalue())
        with Archive(path) as found, zipfile.ZipFile(path) as expected:
            assert list(found) == expected.namelist()
            assert {name: found.read(name) for name in found} == {name: expected.read(name) for name in found}


def test_a_name_that_is_not_there(tmp_path: Path) -> None:
    with Archive(write(tmp_path / "a.zip", {"a": b"1"})) as found:
        assert "a" in found
        assert "b" not in found
        with pytest.raises(KeyError):
            found.read("b")


def test_of_two_members_of_one_name_the_later_counts(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("a", b"first")
        file.writestr("a", b"second")
    with Archive(tmp_path / "a.zip") as found:
        assert found.read("a") == b"second"


def test_two_names_of_one_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_hash", lambda name: 7)
    with Archive(write(tmp_path / "a.zip", {"a": b"1", "b": b"2", "c": b"3"})) as found:
        assert [found.read(name) for name in "bca"] == [b"2", b"3", b"1"]
        assert "d" not in found


def test_zip64_records_are_followed(tmp_path: Path) -> None:
    """As in archives over 4 GB: sizes and places stand in the extra field, the directory's in a record of its own."""
    large = zipfile.ZipInfo("big")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file, file.open(large, "w", force_zip64=True) as member:
        member.write(b"content")
    data = (tmp_path / "a.zip").read_bytes()
    entry = data.index(b"PK\1\2")
    end = data.index(b"PK\5\6")
    extra = struct.pack("<2H3Q", 1, 24, 7, 7, 0)
    fields = bytearray(data[entry : entry + 46])
    struct.pack_into("<2L", fields, 20, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<H", fields, 30, len(extra))
    struct.pack_into("<L", fields, 42, 0xFFFFFFFF)
    directory = bytes(fields) + b"big" + extra
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(directory), entry)
    place = struct.pack("<4sLQL", b"PK\6\7", 0, entry + len(directory), 1)
    last = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    (tmp_path / "b.zip").write_bytes(data[:entry] + directory + record + place + last)
    assert end > entry
    assert zipfile.ZipFile(tmp_path / "b.zip").read("big") == b"content"
    with Archive(tmp_path / "b.zip") as found:
        assert found.read("big") == b"content"


def test_names_without_the_flag_of_utf8_are_read_as_it(tmp_path: Path) -> None:
    write(tmp_path / "a.zip", {"bild-XX.png": b"1"})
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "b.zip").write_bytes(data.replace(b"XX", "ü".encode()))
    (tmp_path / "c.zip").write_bytes(data.replace(b"XX", b"\x81\x81"))
    assert list(Archive(tmp_path / "b.zip")) == ["bild-ü.png"]
    assert list(Archive(tmp_path / "c.zip")) == ["bild-üü.png"]  # DOS


def test_something_before_the_archive_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", {"a": b"1"})
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    with Archive(path) as found:
        assert found.read("a") == b"1"


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip" * 100, b"PK\5\6" + b"\xff" * 18])
def test_what_is_no_zip_is_an_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(VisCodexError, match="not a zip file"):
        Archive(tmp_path / "a.zip")


def test_a_zip_that_was_cut_is_an_error(tmp_path: Path) -> None:
    data = write(tmp_path / "a.zip", {"a": b"1" * 1000}).read_bytes()
    (tmp_path / "a.zip").write_bytes(data[: len(data) // 2])
    with pytest.raises(VisCodexError, match="not a zip file"):
        Archive(tmp_path / "a.zip")


@given(st.integers(0, 10_000), st.integers(0, 255))
@settings(max_examples=300)
def test_a_changed_byte_is_an_error_or_changes_nothing_it_can_see(place: int, value: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a", b"hello " * 20)
        file.writestr("b", b"world")
    data = bytearray(buffer.getvalue())
    data[place % len(data)] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.zip"
        path.write_bytes(data)
        with contextlib.suppress(VisCodexError, MemberError), Archive(path) as found:
            for name, content in (("a", b"hello " * 20), ("b", b"world")):
                if name in found:
                    assert found.read(name) == content


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST", 1000)
    with Archive(write(tmp_path / "a.zip", {"bomb": b"0" * 5000, "fine": b"1"})) as found:
        with pytest.raises(MemberError, match="5,000 bytes"):
            found.read("bomb")
        assert found.read("fine") == b"1"


def test_a_packing_we_do_not_know_costs_its_member(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", {"a": b"1" * 100}, zipfile.ZIP_LZMA)
    with Archive(path) as found, pytest.raises(MemberError, match="method 14"):
        found.read("a")
