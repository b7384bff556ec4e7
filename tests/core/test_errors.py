import pytest

from viscodex.core.errors import UsageError, VisCodexError, did_you_mean


def test_an_error_is_a_page_of_problem_place_and_advice():
    error = VisCodexError("no such tensor", where="model.safetensors", hint="viscodex merge --dry-run")
    assert str(error).splitlines() == [
        "no such tensor",
        "  where: model.safetensors",
        "  try:   viscodex merge --dry-run",
    ]


def test_an_error_without_place_or_advice_is_one_line():
    assert str(VisCodexError("no")) == "no"


def test_exit_codes():
    assert VisCodexError("x").exit_code == 1
    assert UsageError("x").exit_code == 2


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("lamda", ["lambda", "method"], 'did you mean "lambda"?'),
        ("zzz", ["b", "a"], "known: a, b"),
        ("zzz", [], ""),
    ],
)
def test_did_you_mean(word, known, expected):
    assert did_you_mean(word, known) == expected
