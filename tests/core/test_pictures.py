"""Names of pictures, however they are written, find their picture or none; never a file outside of the folder."""

from __future__ import annotations

import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viscodex.core.errors import UsageError
from viscodex.core.pictures import FOLDER, Nowhere, PictureError, bare, beside, open_pictures, spellings


@pytest.fixture(params=["folder", "zip", "zip in a folder of its own"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """`html/a.png` and `ü.png` below mcd_images, and something outside that is to stay unread."""
    (tmp_path / "secret.png").write_bytes(b"secret")
    members = {"html/a.png": b"a", "ü.png": b"u"}
    if request.param == "folder":
        for name, data in members.items():
            path = tmp_path / FOLDER / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (tmp_path / FOLDER / "link.png").symlink_to(tmp_path / "secret.png")
        return tmp_path / FOLDER
    root = "published/v1/" if "own" in request.param else ""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        for name, data in members.items():
            file.writestr(f"{root}{FOLDER}/{name}", data)
    return tmp_path / "x.zip"


@pytest.mark.parametrize(
    "name",
    ["mcd_images/html/a.png", "html/a.png", "./mcd_images/html/a.png", "mcd_images\\html\\a.png",
     "mcd_images//html/a.png", "/home/x/mcd_images/html/a.png",
     "C:\\data\\mcd_images\\html\\a.png", "mcd_images/mcd_images/html/a.png"],
)  # fmt: skip
def test_the_ways_a_path_is_written(name: str, place: Path) -> None:
    assert open_pictures(place).get(name).data == b"a"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_letters_composed_or_not(form: str, place: Path) -> None:
    assert open_pictures(place).get(unicodedata.normalize(form, "mcd_images/ü.png")).data == b"u"


def test_what_was_found_as_written_is_not_mended(tmp_path: Path) -> None:
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "a.png").touch()
    pictures = open_pictures(tmp_path)
    assert not pictures.get("html/a.png").is_mended
    assert pictures.get("mcd_images/html/a.png").is_mended


@pytest.mark.parametrize(
    "name",
    ["../secret.png", "html/../../secret.png", "mcd_images/../secret.png", "..\\secret.png",
     "mcd_images/html/../../../secret.png"],
)  # fmt: skip
def test_a_path_that_leads_out_is_refused(name: str, place: Path) -> None:
    with pytest.raises(PictureError) as error:
        open_pictures(place).get(name)
    assert error.value.reason == "picture path leads out of the folder"


@pytest.mark.parametrize("name", ["/etc/passwd", "b.png", "html", "", ".", "/", "a\0b", "x" * 5000, "\ud800.png"])
def test_what_is_not_there_is_missing(name: str, place: Path) -> None:
    with pytest.raises(PictureError) as error:
        open_pictures(place).get(name)
    assert error.value.reason in ("picture missing", "picture unreadable")


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.png").touch()
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(PictureError, match=r"link\.png"):
        open_pictures(tmp_path / "in").get("link.png")


@given(st.lists(st.sampled_from(["..", ".", "a", "mcd_images", "", "ü", "C:"]), max_size=6), st.sampled_from("/\\"))
def test_no_spelling_leads_out(parts: list[str], separator: str) -> None:
    for spelling in spellings(separator.join(parts)):
        assert not spelling.startswith("/")
        assert ".." not in spelling.split("/")


def test_one_picture_has_one_bare_name() -> None:
    ways = ("mcd_images/a/b.png", "a/b.png", "/x/mcd_images/a/b.png", "mcd_images\\a\\b.png")
    assert {bare(name) for name in ways} == {"a/b.png"}


def test_pictures_beside_the_records_are_found(tmp_path: Path) -> None:
    assert beside(tmp_path / "mcd.json") is None
    (tmp_path / "mcd_images").mkdir()
    assert beside(tmp_path / "mcd.json") == tmp_path / "mcd_images"


def test_nowhere_and_no_such_place(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no folder or zip"):
        Nowhere().get("a.png")
    with pytest.raises(UsageError, match="no such folder or zip"):
        open_pictures(tmp_path / "x")
