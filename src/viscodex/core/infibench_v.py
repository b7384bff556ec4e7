"""The record of InfiBench-V: what a suite holds, a builder proposes, a person reviews and a scorer reads.

    {id, question, images, category, language, source {post_id, url, authors, license}, reference_answer, grading, …}

`question` is Markdown in which `![image](n)` is the place of picture n, counted from 0; `images` are files beside the
table. `grading` has one or more of keywords, blank_filling, unit_test, similarity, customized (as InfiBench writes
them) and judge ({notes}), and `weights` where they should not count alike.
"""

from __future__ import annotations

import re
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

FULL_SIZE = 322
"""Questions of InfiBench-V as the paper describes it; none of them was released."""
SLOT = re.compile(r"!\[image\]\((\d{1,3})\)")
Category = Literal["front-end", "ds-ml", "back-end", "mobile-desktop", "it-ops"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
SHARES: dict[Category, float] = {
    "front-end": 0.31,
    "ds-ml": 0.30,
    "back-end": 0.23,
    "mobile-desktop": 0.13,
    "it-ops": 0.03,
}
"""Of the paper's 322 questions."""


class PostSource(BaseModel):
    """Where a question comes from; a post of Stack Exchange has all fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    post_id: str = ""
    url: str = ""
    authors: tuple[str, ...] = ()
    license: str = ""


class Record(BaseModel):
    """A line of the table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1, max_length=200)
    question: str = Field(min_length=1)
    images: tuple[str, ...] = Field(min_length=1)
    category: Category
    language: str = Field(min_length=1)
    source: PostSource = PostSource()
    reference_answer: str = ""
    grading: dict[str, Any]
    files: dict[str, str] = Field(default_factory=dict)
    """Texts that the grading names by path."""
    wrong_answers: tuple[str, ...] = ()
    """Plausible, and wrong: the gates ask that none of them gets more than half."""
    stub: str = ""
    """Has the names that the unit tests call, compiles, and does nothing: every test must fail on it."""
