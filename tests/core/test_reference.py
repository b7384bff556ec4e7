from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import Field

from viscodex.core.recipe import Recipe
from viscodex.core.reference import Key, keys_of, type_in_words


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (str, "text"),
        (int, "whole number"),
        (float | None, "number"),
        (bool, "true or false"),
        (list[str], "list of text"),
        (tuple[float, ...], "list of numbers"),
        (dict[str, int], "table of whole numbers"),
        (list[float | dict[str, float]], "list of (number or table of numbers)"),
        (Literal["a", "b"], '"a" or "b"'),
        (Annotated[float, Field(gt=0)] | None, "number"),
        (Recipe, "Recipe"),
    ],
)
def test_types_are_told_in_words(annotation, words):
    assert type_in_words(annotation) == words


class Cooking(Recipe):
    job: ClassVar[str] = "cooking"

    dish: str
    lam: float = Field(default=0.7, alias="lambda", description="How much.")
    spices: list[str] = Field(default_factory=lambda: ["λ"])
    pot: str | None = None


def test_keys_tell_name_type_default_and_meaning():
    assert keys_of(Cooking)[2:] == [
        Key("dish", "text", "required", ""),
        Key("lambda", "number", "0.7", "How much."),
        Key("spices", "list of text", '["λ"]', ""),
        Key("pot", "text", "not set", ""),
    ]


def test_what_every_recipe_has_is_explained():
    assert all(key.meaning for key in keys_of(Recipe))
