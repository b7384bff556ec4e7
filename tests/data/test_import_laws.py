"""Laws of the importer on texts and pictures that nobody wrote by hand."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.mcd_files import encoded, record, write_mcd
from viscodex.core.mcd import read_mcd
from viscodex.core.mcd_record import MARK, Oddities, RefusedError, split_marks
from viscodex.core.row import MARKER, read_rows
from viscodex.core.sample import Image, Sample
from viscodex.data.exports import export
from viscodex.data.importing import import_mcd
from viscodex.data.looking import look

PIECES = st.sampled_from([MARK, "`", "```", "```html\n", "~~~", "\n", "a", "<image", "image>", " ", "é", "\\"])
TEXTS = st.lists(PIECES, max_size=14).map("".join)


@given(TEXTS, st.integers(0, 3))
def test_marks_and_pictures_are_matched_or_refused_and_no_text_is_lost(text: str, pictures: int) -> None:
    oddities = Oddities()
    try:
        parts = split_marks(text, pictures, oddities)
    except RefusedError as error:
        assert text.count(MARK) != pictures
        assert error.reason == "<image> and pictures differ"
        return
    assert len(parts) == pictures + 1
    if oddities.total() and "front" in next(iter(oddities)):
        assert "".join(parts).lstrip("\n") == text.lstrip("\n")
    else:
        assert MARK.join(parts) == text
    assert bool(oddities) == (text.count(MARK) != pictures)


@given(st.lists(st.tuples(TEXTS, TEXTS, st.integers(0, 2)), min_size=1, max_size=4))
@settings(max_examples=25)
def test_every_record_is_told_of_and_what_was_kept_comes_back(values: list[tuple[str, str, int]]) -> None:
    records = [record(asked, answer, ["mcd_images/html/a.png"] * n, "qa") for asked, answer, n in values]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, images = write_mcd(folder, records)
        found = import_mcd(path, images, folder / "out")
        assert found.seen == len(records) == found.kept.total() + found.rejected.total()
        if not found.kept:
            return
        rows = list(read_rows(folder / "out"))
        for row in rows:
            assert row["messages"][0]["content"].count(MARKER) == len(row["images"])
            assert MARKER not in row["messages"][1]["content"]
        export(folder / "out", folder / "exported", "mcd-json")
        assert import_mcd(folder / "exported" / "mcd.json", None, folder / "again").rejected == {}
        assert list(read_rows(folder / "again")) == rows


NAMES = st.lists(st.sampled_from(["..", "/", "a", "ü", "mcd_images", "\\", "%2e", "\0", ".png", " "]), max_size=6)


@given(NAMES.map("".join).filter(bool))
@settings(max_examples=50)
def test_a_picture_comes_from_the_zip_or_not_at_all(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, images = write_mcd(Path(folder), [record(images=(name,))])
        (found,) = read_mcd(path, images)
        if isinstance(found, Sample):
            (image,) = (part for part in found.prompt if isinstance(part, Image))
            assert image.data == encoded()
        else:
            assert found.reason in ("picture missing", "picture path leads out of the folder")


@given(
    st.sampled_from([("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("I;16", "PNG"), ("CMYK", "JPEG"), ("RGB", "JPEG"),
                     ("P", "GIF"), ("RGB", "WEBP"), ("RGB", "TIFF"), ("RGB", "BMP")]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
    st.none() | st.integers(0, 400),
)  # fmt: skip
@settings(max_examples=300)
def test_damaged_pictures_are_told_of_and_crash_nothing(
    kind: tuple[str, str], changes: list[tuple[int, int]], cut: int | None
) -> None:
    data = bytearray(encoded(kind[0], (24, 16), kind[1]))
    for place, value in changes:
        data[place % len(data)] = value
    seen = look(bytes(data[:cut]))
    assert seen.fault or (seen.width and seen.height and seen.mode)
