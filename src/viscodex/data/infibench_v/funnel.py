"""The funnel: dump → picture and accepted answer → popular → … → is the picture needed? → other words → a grading.

Cheap stages first; the model is asked about what has passed all rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from viscodex.core.infibench_v import SLOT
from viscodex.core.sample import Sample
from viscodex.data.decontaminate.stage import NAME, OpenScreen, compare
from viscodex.data.infibench_v.alike import SeenQuestions
from viscodex.data.infibench_v.paraphrase import propose_words
from viscodex.data.infibench_v.proposal import with_grading
from viscodex.data.infibench_v.settings import BuilderRecipe
from viscodex.data.infibench_v.topics import Classify
from viscodex.data.pipeline import Ask, Pipeline, Sieve, Stage, Work
from viscodex.data.qa.convert import Convert
from viscodex.data.qa.drafts import drafts
from viscodex.data.qa.needed import judge_need, rule_need
from viscodex.data.qa.pictures import OpenFetcher, take_pictures
from viscodex.model.fences import blocks
from viscodex.runner.stage import Keep, Reject, Result

LEAST_LINE = 8
GIVEN = 0.8
"""Where so much of the answer's code stands in the question, nothing is asked."""


def funnel(recipe: BuilderRecipe) -> Pipeline:
    """Drafts are stage 1 (picture, accepted answer), `popular` is stage 2, `picture_needed` stage 3; people are 4."""
    posts = recipe.posts()
    stages: list[Stage] = [
        Work("popular", Popular(recipe.least_score, recipe.least_answer_score, recipe.least_views)),
        Work("markdown", Convert(posts)),
        Work("topic", Classify(recipe.languages)),
        Work("leak", gives_away),
        Work("pictures", take_pictures, OpenFetcher(recipe.pictures)),
        Sieve("alike", SeenQuestions(recipe.similarity, recipe.distance)),
    ]
    if recipe.decontaminate.benchmarks:
        stages.append(Work(NAME, compare, OpenScreen(recipe.decontaminate)))
    stages.append(Ask("picture_needed", judge_need, otherwise=Work("picture_needed", rule_need)))
    if recipe.paraphrase:
        stages.append(Ask("paraphrase", propose_words))
    stages.append(Work("grading", with_grading))
    inputs = [recipe.dump, *filter(None, [recipe.pictures.folder])]
    return Pipeline("qa", partial(drafts, posts), stages, inputs)


@dataclass(frozen=True)
class Popular:
    """Work of stage 2: what many have looked at and found good."""

    least_score: int
    least_answer_score: int
    least_views: int

    def __call__(self, _: None, sample: Sample) -> Result[Sample]:
        for name, least, reason in (
            ("views", self.least_views, "few_views"),
            ("question_score", self.least_score, "low_score"),
            ("answer_score", self.least_answer_score, "low_answer_score"),
        ):
            if sample.checks[name] < least:
                return Reject(reason, f"{sample.checks[name]}")
        return Keep(sample)


def gives_away(_: None, sample: Sample) -> Result[Sample]:
    """Work of the stage `leak`: the question must not hold its own answer, nor what we mark pictures with."""
    if SLOT.search(sample.text):
        return Reject("slot_in_text", "the text holds a literal ![image](n)")
    asked = {_bare(line) for line in sample.text.split("\n")}
    given = [
        bare for block in blocks(sample.response) for line in block.lines if len(bare := _bare(line)) >= LEAST_LINE
    ]
    known = sum(line in asked for line in given)
    if given and known >= GIVEN * len(given):
        return Reject("answer_in_question", f"{known} of {len(given)} lines of code")
    return Keep(sample)


def _bare(line: str) -> str:
    return re.sub(r"\s+", "", line)
