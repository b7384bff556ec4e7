"""The alignment in numpy equals the specification's recurrences, written out cell by cell."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from viscodex.eval.infibench.alignment import CELLS, align
from viscodex.eval.infibench.blank_filling import fill, read
from viscodex.eval.infibench.points import RefusedError
from viscodex.eval.infibench.reading import Reader


def written_out(template: str, answer: str) -> tuple[int, tuple[int, ...]]:
    n, m = len(template), len(answer)
    f = [[0] * m for _ in range(n)]
    s = [[-1] * m for _ in range(n)]
    for i in range(n):
        for j in range(m):
            if template[i] == answer[j]:
                f[i][j], s[i][j] = (f[i - 1][j - 1] + 1 if i and j else 1), j
            elif i and j:
                left, up = (f[i][j - 1], s[i][j - 1]), (f[i - 1][j], s[i - 1][j])
                f[i][j], s[i][j] = max(left, up)  # the larger f; where equal, the larger column
    p, positions = s[-1][-1], [0] * n
    for i in reversed(range(n)):
        if template[i] == answer[p]:
            positions[i] = p
            if i > 0:
                p = s[i - 1][(p - 1) % m]
        else:
            positions[i] = p + 1
    return f[-1][-1], tuple(positions)


letters = st.text(alphabet="ab[] \n", min_size=1, max_size=40)


@settings(max_examples=400)
@given(letters, letters)
def test_small_alphabets(template, answer):
    aligned = align(template, answer)
    assert (aligned.length, aligned.positions) == written_out(template, answer)


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_any_characters(template, answer):
    aligned = align(template, answer)
    assert (aligned.length, aligned.positions) == written_out(template, answer)


templates = st.lists(st.sampled_from(["x = ", "[blank]", "print(", ")\n", "y"]), min_size=1, max_size=12).map("".join)


@given(templates, letters)
def test_a_template_beside_itself_and_more(template, more):
    for answer in (template, more + template, template + more):
        aligned = align(template, answer)
        assert (aligned.length, aligned.positions) == written_out(template, answer)


def blanks(template, **more):
    return read(Reader(), {"template": template, "targets": ["x"], **more}, "blank_filling")


@pytest.mark.parametrize(
    ("template", "answer", "texts"),
    [
        ("color: [blank];", "color: `red`;", ("red",)),
        ("[blank] is the answer", "42 is the answer", ("42",)),
        ("the answer is [blank]", "the answer is 42", ("42",)),
        ("the answer is [blank]", "the answer is 42, it seems", ("seems",)),  # of equal matches the last
        ("a = [blank] + [blank];", "a = b + c;", ("b", "c")),
        ("a very long template [blank]", "no", ()),
    ],
)
def test_what_lies_in_the_blanks(template, answer, texts):
    assert fill(blanks(template), answer).texts == texts


def test_an_empty_answer_is_a_space_and_an_only_blank_takes_all():
    assert fill(blanks("a template [blank]"), "").texts == ()
    assert align("a template", " ").length == 0  # the first column passes nothing on
    assert fill(blanks("[blank]"), "").rate == 1.0


def test_a_megabyte_is_aligned_and_more_is_refused():
    aligned = align("let [blank] = 1", "let x = 1" + "\n " * 500_000)
    assert len(aligned.positions) == 15
    with pytest.raises(RefusedError, match="too_long"):
        fill(blanks("[blank]" + "x" * 1000), "x" * (CELLS // 1000))
