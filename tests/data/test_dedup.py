"""Duplicates: the indices find what comparing everything with everything finds."""

from __future__ import annotations

import random

import PIL.Image
import PIL.ImageDraw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viscodex.core.sample import Sample
from viscodex.data.checks import picture_hash
from viscodex.data.dedup import PageIndex, PictureIndex, Seen, SeenPages, SeenPictures, script_hash, sketch

WORDS = [
    "the",
    "bread",
    "of",
    "this",
    "town",
    "is",
    "baked",
    "at",
    "night",
    "with",
    "rye",
    "from",
    "valley",
    "and",
    "sun",
]


@given(
    st.lists(st.integers(0, 2**64 - 1), max_size=30),
    st.integers(0, 2**64 - 1),
    st.lists(st.integers(0, 63)),
    st.integers(0, 6),
)
def test_the_nearest_picture_in_reach_is_always_found(values, value, flipped, distance):
    for bit in flipped[:8]:
        values = [*values, value ^ (1 << bit)] if bit % 2 else values
    index = PictureIndex(distance)
    for number, known in enumerate(values):
        index.add(f"{known:016x}", f"{number:03}")
    expected = min(((value ^ known).bit_count() for known in values), default=99)
    found = index.near(f"{value:016x}")
    assert (found[1] if found else None) == (expected if expected <= distance else None)


def test_256_bits_in_17_bands():
    generator, index = random.Random(1), PictureIndex(16, 256)
    values = [generator.getrandbits(256) for _ in range(50)]
    for number, value in enumerate(values):
        index.add(f"{value:064x}", str(number))
    for number, value in enumerate(values):
        bits = generator.sample(range(256), 17)
        near = value
        for bit in bits[:16]:
            near ^= 1 << bit
        assert index.near(f"{near:064x}") == (str(number), 16)
        assert index.near(f"{near ^ (1 << bits[16]):064x}") is None


def page(words, tag="p"):
    return "<html><body>" + "".join(f"<{tag} class='c{i % 3}'>{word} {i}</{tag}>" for i, word in enumerate(words))


def test_pages_that_differ_in_little_are_found_and_others_are_not():
    generator = random.Random(2)
    words = [generator.choice(WORDS) for _ in range(300)]
    index = PageIndex(0.85)
    index.add(sketch(page(words)), "first")
    nearly = [*words[:150], "other", *words[151:]]
    found = index.near(sketch(page(nearly)))
    assert found is not None and found[0] == "first"
    assert index.near(sketch(page([generator.choice(WORDS) for _ in range(300)]))) is None
    assert index.near(sketch(page(words, tag="li"))) is None
    assert index.near(sketch("")) is None


def test_styles_and_scripts_are_no_part_of_the_dom():
    body = "<body><p>one two three four five</p>"
    one = sketch(f"<style>a {{ color: red }}</style>{body}")
    other = sketch(f"<style>{'b { margin: 0 } ' * 50}</style>{body}")
    assert one.jaccard(other) == 1.0


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("x = 1\nplot(x)", "# a comment\ny = 1\n\nplot( y )", True),
        ("x = 1\nplot(x)", "x = 2\nplot(x)", False),
        ("a, b = 1, 2\nplot(a, b)", "b, a = 1, 2\nplot(b, a)", True),
        ("a, b = 1, 2\nplot(a, b)", "a, b = 1, 2\nplot(b, a)", False),
        ("plot('red')", "plot('blue')", False),
        ("import numpy as np\nnp.ones(2)", "import numpy as n\nn.ones(2)", False),
    ],
)
def test_scripts_are_the_same_when_their_syntax_is(one, other, is_same):
    assert (script_hash(one) == script_hash(other)) is is_same


def row(name, code="", **checks):
    return Sample(id=name, kind="html", prompt=(), response=code, checks=checks)


def test_the_first_is_kept_and_the_later_ones_say_which_it_was():
    seen = Seen(lambda sample: sample.response)
    assert seen(row("a", "x")) is None
    assert seen(row("b", "y")) is None
    reject = seen(row("c", "x"))
    assert reject.reason == "duplicate" and reject.detail.endswith("a")
    assert seen(row("a", "x")) is None  # asked again about the same row


def drawing(x):
    picture = PIL.Image.new("RGB", (400, 300), "white")
    PIL.ImageDraw.Draw(picture).rectangle((x, 40, x + 120, 260), fill="blue")
    PIL.ImageDraw.Draw(picture).ellipse((250, x, 350, x + 90), fill="red")
    return picture_hash(picture, 16)


def test_pictures_that_look_the_same_are_near():
    seen = SeenPictures(16)
    assert seen(row("a", phash_256=drawing(30))) is None
    assert seen(row("b", phash_256=drawing(31))).reason == "near_duplicate"
    assert seen(row("c", phash_256=drawing(150))) is None


def test_a_page_is_a_duplicate_by_its_dom_or_by_its_picture():
    seen = SeenPages(16, 0.85)
    words = [f"{word}{number}" for number, word in enumerate(WORDS * 8)]
    assert seen(row("a", page(words), phash_256=drawing(30))) is None
    by_dom = seen(row("b", page([*words, "more"]), phash_256=drawing(150)))
    assert by_dom.reason == "near_duplicate" and "DOM" in by_dom.detail
    by_picture = seen(row("c", page(["else"] * 99), phash_256=drawing(30)))
    assert by_picture.reason == "near_duplicate" and "picture" in by_picture.detail
    assert seen(row("d", page(["else"] * 99), phash_256=drawing(150))) is None
