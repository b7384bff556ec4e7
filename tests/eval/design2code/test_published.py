"""What `paper` does to an answer, against the slow way to do it; and how answers are read."""

from __future__ import annotations

import difflib
import random
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viscodex.core.sample import Sample
from viscodex.eval.design2code.answer import fenced, published_page, reference_page
from viscodex.eval.design2code.failure import PageFailedError
from viscodex.eval.design2code.published import parsed, prepare, surplus_elements
from viscodex.eval.design2code.repetition import cut_repetition


def naive_cut(content: str) -> str:
    """Every chunk against every chunk that was new, by difflib."""
    clean = re.sub(r"<.*?>", "", content)
    places, place = [], 0
    for letter in clean:
        place = content.index(letter, place)
        places.append(place)
        place += 1
    best, seen = len(clean), {}
    for number, start in enumerate(range(0, len(clean), 100)):
        chunk = clean[start : start + 100]
        for known, numbers in seen.items():
            if difflib.SequenceMatcher(None, chunk, known).ratio() >= 0.8:
                numbers.append(number)
                if len(numbers) >= 5:
                    first = min(best, numbers[0] * 100)
                    mapped = places[first] if first < len(places) else len(content)
                    best = min(best, mapped)
                break
        else:
            seen[chunk] = [number]
    return content if best == len(clean) else content[:best]


@given(st.integers(0, 10_000))
@settings(max_examples=40)
def test_the_cut_is_that_of_the_slow_way(seed):
    chance = random.Random(seed)
    sentence = "<p>We sell plants of many kinds and flowers of all colours, at the market and at home.</p>\n"
    parts = [chance.choice([sentence * chance.randint(1, 9), "<b>x</b>", "".join(chance.choices("abc <p>\n", k=150))])
             for _ in range(6)]  # fmt: skip
    content = "".join(parts)
    assert cut_repetition(content) == naive_cut(content)


@given(st.lists(st.sampled_from(["<p>a</p>", "<p>b</p>", "<div><p>a</p></div>", "<i></i>", "x"]), max_size=300))
@settings(max_examples=40)
def test_surplus_is_what_is_written_the_same(parts):
    soup = parsed("".join(parts))
    seen, expected = Counter(), []
    for element in soup.find_all(True):
        seen[str(element)] += 1
        if seen[str(element)] > 50:
            expected.append(element)
    assert [id(element) for element in surplus_elements(soup)] == [id(element) for element in expected]


def test_what_is_no_page_is_wrapped():
    assert prepare("Sorry, I cannot.").html == "<html><body><p>Sorry, I cannot.</p></body></html>"
    assert not prepare("Sorry").is_same_text
    assert prepare("<HTML lang=en><p>x</HTML>").is_same_text


def test_unfinished_markup_is_refused_with_a_reason():
    with pytest.raises(PageFailedError, match="rejected_markup"):
        prepare("<html><![ <p>x")


@pytest.mark.parametrize(
    ("answer", "page"),
    [
        ("```html\n<!DOCTYPE html><html>x</html>\n```", "<!DOCTYPE html><html>x</html>"),
        ("Here it is: <!doctype html><html>x</html> Enjoy!", "<!doctype html><html>x</html>"),
        ("```\nhtml\n<html>x</html>", "<html>x</html>"),
        ("<html>a</html> or <html>b</html> is it", "<html>a</html> or <html>b</html>"),
        ("only words", "only words"),
        ("", ""),
    ],
)
def test_the_published_clean_up(answer, page):
    assert published_page(answer) == page


@given(st.text())
def test_a_reference_comes_back_as_it_was_loaded(html):
    sample = Sample(id="x", kind="html", prompt=("?",), response=fenced(html))
    assert reference_page(sample) == html
