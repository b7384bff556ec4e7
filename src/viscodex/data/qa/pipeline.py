"""The qa pipeline: dump → pairs → Markdown → pictures → needed? → refined → code checked."""

from __future__ import annotations

from functools import partial

from viscodex.data.pipeline import Ask, Pipeline, Stage, Work
from viscodex.data.qa.code import CheckCode
from viscodex.data.qa.convert import Convert
from viscodex.data.qa.drafts import drafts
from viscodex.data.qa.needed import judge_need, rule_need
from viscodex.data.qa.pictures import OpenFetcher, take_pictures
from viscodex.data.qa.refine import Refine, refine_by_rules
from viscodex.data.qa.settings import Settings


def pipeline(settings: Settings) -> Pipeline:
    """Cheap filters first: a model is asked only about what has passed all rules."""
    stages: list[Stage] = [
        Work("markdown", Convert(settings)),
        Work("pictures", take_pictures, OpenFetcher(settings.pictures)),
        Ask("picture_needed", judge_need, otherwise=Work("picture_needed", rule_need)),
    ]
    rules = Work("refine", refine_by_rules)
    if settings.refine == "model":
        stages.append(Ask("refine", Refine(settings.languages), otherwise=rules))
    elif settings.refine == "rules":
        stages.append(rules)
    stages.append(Work("code", CheckCode(settings.run_s if settings.run_code else 0.0)))
    inputs = [settings.dump, *filter(None, [settings.pictures.folder])]
    return Pipeline("qa", partial(drafts, settings), stages, inputs)
