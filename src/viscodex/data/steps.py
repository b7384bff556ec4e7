"""A pipeline's stages as they are run here: with or without a model, each under a name that says all it depends on.

The journal knows a verdict by that name. Another setting, another model or a raised version, of this stage or of one
before it, is another name: what is done under the old one is done again, except that no reply is paid for twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Literal

from viscodex.core.row import MARKER
from viscodex.core.sample import Sample
from viscodex.data.pipeline import Ask, Pipeline, Sieve, Stage, Work
from viscodex.runner.stage import Reject

How = Literal["rules", "model", "order"]
DRAFTS = "drafts"


@dataclass(frozen=True)
class Step:
    """A stage, how it judges (by rules, by asking a model, in order), and its key in the journal."""

    name: str
    stage: Stage
    how: How
    key: str


@dataclass(frozen=True)
class Plan:
    """All that is done to a category: `left_out` are the stages that only a model could do."""

    pipeline: Pipeline
    drafts_key: str
    steps: Sequence[Step]
    left_out: Sequence[str] = ()

    @property
    def category(self) -> str:
        return self.pipeline.category


def plan_steps(pipeline: Pipeline, facts: str, selection: str, model: str) -> Plan:
    """The steps of a pipeline; `facts` is all that its settings say, `selection` which rows are drawn (limit, part).

    Without a `model`, a stage that asks gives way to its rule, or is left out.
    """
    digest = _digest(pipeline.category, facts)
    drafts_key = f"{pipeline.category}/{DRAFTS}/{_digest(digest, selection)}"
    steps, left_out = [], []
    for stage in [*pipeline.stages, ROW]:
        chosen = stage if model or not isinstance(stage, Ask) else stage.otherwise
        if chosen is None:
            left_out.append(stage.name)
            continue
        how = _how(chosen)
        digest = _digest(digest, chosen.name, str(chosen.version), how, _settings(chosen, model))
        steps.append(Step(stage.name, chosen, how, f"{pipeline.category}/{stage.name}/{digest}"))
    return Plan(pipeline, drafts_key, steps, left_out)


def _how(stage: Stage) -> How:
    match stage:
        case Work():
            return "rules"
        case Ask():
            return "model"
        case Sieve():
            return "order"


def _settings(stage: Stage, model: str) -> str:
    """What a stage itself says it depends on: the model, or the settings that its work and its resource hold."""
    match stage:
        case Work():
            return "".join(repr(part) for part in (stage.work, stage.open) if is_dataclass(part))
        case Ask():
            return model
        case Sieve():
            return ""


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def not_a_row(sample: Sample) -> Reject | None:
    """The last stage of every pipeline: what no data set can hold, whoever made it."""
    texts = [part for part in (*sample.prompt, sample.response) if isinstance(part, str)]
    if not sample.response.strip():
        return Reject("no_response")
    if any(MARKER in text for text in texts):
        return Reject("image_marker", f"a text holds a literal {MARKER}: every trainer would look for a picture there")
    if any(_is_torn(text) for text in texts):
        return Reject("not_unicode", "half of a surrogate pair")
    gone = [image.path for image in sample.images if image.data is None and not Path(image.path).is_file()]
    return Reject("picture_gone", Path(gone[0]).name) if gone else None


def _is_torn(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


ROW = Sieve("row", lambda: not_a_row)
