"""Which vision-language models and language models can be merged, and why the others cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from viscodex.checkpoint.layout import FAMILIES
from viscodex.checkpoint.reader import open_checkpoint
from viscodex.checkpoint.source import resolve
from viscodex.core.problems import Problem, summarize
from viscodex.merge.plan import MergePlan, plan_merge
from viscodex.merge.recipe import MergeRecipe


@dataclass(frozen=True)
class Verdict:
    """Whether two models can be merged. `problems` are the reasons why not, `notes` what to know if they can."""

    vlm: str
    llm: str
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def is_mergeable(self) -> bool:
        return not self.problems

    @property
    def reasons(self) -> list[str]:
        """One line per kind of problem."""
        return summarize(self.problems)

    def as_json(self) -> dict[str, Any]:
        return {
            "vlm": self.vlm,
            "llm": self.llm,
            "mergeable": self.is_mergeable,
            "reasons": self.reasons,
            "notes": list(self.notes),
        }


def check_pair(vlm: str, llm: str, base: str = "") -> Verdict:
    """Whether `llm` (and `base`, if named) can be merged into `vlm`: from headers, configs and tokenizers alone.

    What is no checkpoint at all, or of an unknown type, raises.
    """
    roles = {"vlm": vlm, "llm": llm} | ({"base": base} if base else {})
    wrong = [_kind_problem(role, name) for role, name in roles.items()]
    problems = tuple(problem for problem in wrong if problem)
    if problems:
        return Verdict(vlm, llm, problems, ())
    method: dict[str, Any] = {"method": "model_stock", "base": base} if base else {"lambda": 0.5}
    plan = plan_merge(MergeRecipe.parse({"vlm": vlm, "code": [llm]} | method, where="check"), None)
    return Verdict(vlm, llm, plan.problems, tuple(_notes(plan)) if not plan.problems else ())


def why_not(vlm_type: str, llm_type: str) -> str:
    """Why models of two types can never be merged; empty if they can when they have the same size."""
    vlm, llm = FAMILIES[vlm_type], FAMILIES[llm_type]
    if not vlm.is_multimodal:
        return f"{vlm_type} has no vision modules"
    if llm.is_multimodal:
        return f"{llm_type} is a vision-language model itself"
    return "" if vlm.text == llm.text else f"the backbone is {vlm.text}"


def family_table() -> tuple[list[str], list[list[str]]]:
    """Header and rows: the vision-language model types down, the language model types across."""
    vlms = [name for name, family in FAMILIES.items() if family.is_multimodal]
    llms = [name for name, family in FAMILIES.items() if not family.is_multimodal]
    rows = [[vlm, *("yes" if not why_not(vlm, llm) else "–" for llm in llms), FAMILIES[vlm].text] for vlm in vlms]
    return ["VLM", *llms, "its backbone"], rows


def _kind_problem(role: str, name: str) -> Problem | None:
    """A language model where a VLM is wanted, or the reverse."""
    wants_pictures = role == "vlm"
    checkpoint = open_checkpoint(resolve(name), role)
    if checkpoint.family.is_multimodal is wants_pictures:
        return None
    model_type = checkpoint.config["model_type"]
    if wants_pictures:
        return Problem("the first model has no vision modules", f"{name}: {model_type}", "name a VLM first")
    return Problem("a vision-language model where a language model is wanted", f"{role}: {model_type}")


def _notes(plan: MergePlan) -> list[str]:
    merged = [step for step in plan.steps if step.action == "merge"]
    elements = sum(step.tuned[0].info.elements for step in merged)
    notes = [f"{len(merged)} backbone tensors, {elements / 1e6:,.2f} M parameters, all of the same shape"]
    notes += [
        f"{step.key}: {step.rows_from_vlm:,} of {step.out.shape[0]:,} rows are the vlm's alone"
        for step in merged
        if step.rows_from_vlm
    ]
    return notes
