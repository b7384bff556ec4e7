import io
import random

import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from viscodex.core.errors import VisCodexError
from viscodex.core.rundir import JsonLines
from viscodex.core.sample import Image, Rejection, Sample

WHITE, RED = (255, 255, 255), (255, 0, 0)


def encoded(picture: PIL.Image.Image, form: str = "PNG", **options) -> Image:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return Image(data=buffer.getvalue())


def only_colour(picture: PIL.Image.Image) -> tuple[int, ...]:
    colours = picture.getcolors()
    assert colours is not None and len(colours) == 1
    return colours[0][1]


# Decoding


@pytest.mark.parametrize(
    ("colour", "expected"),
    [((255, 0, 0, 255), RED), ((255, 0, 0, 0), WHITE), ((0, 0, 0, 0), WHITE), ((255, 0, 0, 128), (255, 127, 127))],
)
def test_transparency_is_laid_on_white(colour, expected):
    picture = encoded(PIL.Image.new("RGBA", (4, 3), colour)).load()
    assert (picture.mode, picture.size, only_colour(picture)) == ("RGB", (4, 3), expected)


def test_a_transparent_palette_colour_is_white():
    palette = PIL.Image.new("P", (4, 3), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    assert only_colour(encoded(palette).load()) == RED
    assert only_colour(encoded(palette, transparency=1).load()) == WHITE


def test_a_transparent_colour_of_a_picture_without_alpha_is_white():
    assert only_colour(encoded(PIL.Image.new("RGB", (2, 2), RED), transparency=RED).load()) == WHITE


def test_grey_with_alpha_is_laid_on_white():
    assert only_colour(encoded(PIL.Image.new("LA", (2, 2), (0, 0))).load()) == WHITE


@pytest.mark.parametrize("mode", ["1", "L", "CMYK"])
def test_other_modes_become_rgb(mode):
    form = "TIFF" if mode == "CMYK" else "PNG"
    assert encoded(PIL.Image.new(mode, (2, 2)), form).load().mode == "RGB"


@pytest.mark.parametrize(("deep", "expected"), [(0, 0), (255, 0), (256, 1), (32768, 128), (65535, 255)])
def test_grey_of_16_bits_keeps_its_shade(deep, expected):
    assert only_colour(encoded(PIL.Image.new("I;16", (4, 3), deep)).load()) == (expected,) * 3


def test_a_turned_photograph_is_shown_upright():
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    assert encoded(PIL.Image.new("RGB", (8, 4)), "JPEG", exif=exif).load().size == (4, 8)


def test_a_picture_by_path(tmp_path):
    PIL.Image.new("RGB", (5, 6), RED).save(tmp_path / "x.png")
    assert Image(path=str(tmp_path / "x.png")).load().size == (5, 6)


# Refusing


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(VisCodexError, match="cannot read the picture: No such file") as caught:
        Image(path=str(tmp_path / "none.png")).load()
    assert caught.value.where == str(tmp_path / "none.png")


@pytest.mark.parametrize("form", ["AVIF", "DDS", "TIFF", "GIF"])
def test_whatever_a_decoder_stumbles_over_is_a_picture_that_cannot_be_read(form):
    """Decoders raise what they like, and say where in memory they were."""
    chance = random.Random(form)
    whole = encoded(PIL.Image.new("RGB", (24, 30), RED), form).read()
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.choice([1, 2, 8])):
            damaged[chance.randrange(min(200, len(damaged)))] = chance.randrange(256)
        try:
            Image(data=bytes(damaged)).load()
        except VisCodexError as error:
            assert " at 0x" not in str(error)


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(VisCodexError, match="not a readable picture") as caught:
        Image(data=data).load()
    assert caught.value.where == "embedded bytes"


@given(
    form=st.sampled_from(["PNG", "JPEG", "GIF", "WEBP"]),
    cut=st.floats(0, 1),
    place=st.floats(0, 0.999),
    byte=st.integers(0, 255),
)
def test_a_damaged_picture_is_decoded_or_refused_never_a_crash(form, cut, place, byte):
    damaged = bytearray(encoded(PIL.Image.effect_noise((16, 12), 50), form).read())
    damaged[int(place * len(damaged))] = byte
    try:
        picture = Image(data=bytes(damaged[: int(cut * len(damaged))])).load()
    except VisCodexError as error:
        assert "not a readable picture" in str(error)
    else:
        assert picture.mode == "RGB"


def test_a_picture_that_is_nowhere_is_refused():
    with pytest.raises(ValidationError, match="a path or its bytes"):
        Image()


# Samples in files


def test_a_sample_goes_through_jsonl_and_back(tmp_path):
    picture = encoded(PIL.Image.new("RGB", (2, 2), RED))
    sample = Sample(id="1", kind="html", prompt=("see", picture, Image(path="a.png"), "write"), response="<p>λ</p>")
    with JsonLines(tmp_path / "x.jsonl") as file:
        file.append(sample.model_dump(mode="json"))
    (row,) = JsonLines(tmp_path / "x.jsonl")
    again = Sample.model_validate(row)
    assert again == sample
    assert again.images[0].read() == picture.data
    assert Sample.model_validate_json(sample.model_dump_json()) == sample


def test_text_and_pictures_of_a_prompt():
    sample = Sample(id="1", kind="qa", prompt=("first", Image(path="a.png"), "second"))
    assert sample.text == "first\nsecond"
    assert [image.path for image in sample.images] == ["a.png"]


@pytest.mark.parametrize("wrong", [{"kind": "poem"}, {"colour": 1}, {"prompt": ({"pth": "x"},)}])
def test_a_sample_with_a_wrong_field_is_refused(wrong):
    with pytest.raises(ValidationError):
        Sample.model_validate({"id": "1", "kind": "html", "prompt": ("x",)} | wrong)


def test_a_rejection_says_why():
    assert Rejection(id="1", stage="render", reason="blank page").detail == ""
