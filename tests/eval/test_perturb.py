"""Worse pictures: deterministic, of the announced kind, and refused outside their range."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest

from viscodex.core.errors import UsageError
from viscodex.core.sample import Image, Sample
from viscodex.eval.perturb import parse_perturbation


def picture() -> bytes:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[::2] = (200, 100, 50)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def sample(name="a") -> Sample:
    return Sample(id=name, kind="html", prompt=(Image(data=picture()), "Write the page."), response="x")


@pytest.mark.parametrize("text", ["blur:1.5", "downscale:0.5", "jpeg:30", "noise:8"])
def test_pictures_change_words_do_not_and_again_gives_the_same_bytes(text):
    change = parse_perturbation(text)
    once, again = change.apply(sample()), change.apply(sample())
    assert once == again
    assert once.prompt[1] == "Write the page."
    assert once.images[0].read() != picture()
    assert str(change) == text


def test_unseen_leaves_the_words():
    change = parse_perturbation("unseen")
    assert change.apply(sample()).prompt == ("Write the page.",)
    assert str(change) == "unseen"


def test_downscale_halves_both_sides_and_others_keep_them():
    assert parse_perturbation("downscale:0.5").apply(sample()).images[0].load().size == (30, 20)
    assert parse_perturbation("jpeg:30").apply(sample()).images[0].load().size == (60, 40)


def test_noise_differs_between_samples_and_has_the_asked_size():
    change = parse_perturbation("noise:8")
    a, b = (np.asarray(change.apply(sample(name)).images[0].load(), float) for name in "ab")
    grey = np.full((40, 60, 3), 100.0)  # the channel that is not clipped
    assert (a != b).any()
    assert np.std(a[::2, :, 1] - grey[::2, :, 1]) == pytest.approx(8, rel=0.1)


@pytest.mark.parametrize("text", ["blur", "blur:x", "jpeg:0", "downscale:2", "noise:nan", "sharpen:1", "unseen:1"])
def test_what_cannot_be_is_refused(text):
    with pytest.raises(UsageError):
        parse_perturbation(text)


def test_nothing_is_nothing():
    assert parse_perturbation("") is None
