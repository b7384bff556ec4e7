"""The chart pipeline as a list of stages, and its drafts."""

from __future__ import annotations

from collections.abc import Iterator

from viscodex.core.sample import Sample
from viscodex.data.chart.cleaning import clean
from viscodex.data.chart.execution import Check, DrawChart, Run
from viscodex.data.chart.licences import licence_of
from viscodex.data.chart.mining import cut
from viscodex.data.chart.settings import Settings
from viscodex.data.chart.source import parsed
from viscodex.data.chart.writing import Repair, Rewrite, aesthetics
from viscodex.data.dedup import Seen, SeenPictures, script_hash
from viscodex.data.inputs import LONGEST_FILE, Input, draft, folder, scripts
from viscodex.data.pipeline import Ask, Pipeline, Sieve, Stage, Work
from viscodex.runner.stage import Keep, Reject
from viscodex.sandbox.chart import Charts

MINED = "mined"
"""Fact of a draft: it comes from somebody's repository and has to be cut."""


def pipeline(settings: Settings) -> Pipeline:
    """Clean or mine, rewrite, rules, run and mend, draw, duplicates, marks."""
    stages: list[Stage] = [Work("script", read_script), Sieve("same_source", same_script)]
    if settings.rewrite:
        stages.append(Ask("rewrite", Rewrite(settings)))
    stages += [Work("rules", Check(settings)), Work("run", Run(settings), open=Charts)]
    for number in range(1, settings.repairs + 1):
        stages.append(Ask(f"repair-{number}", Repair(settings, number)))
        stages.append(Work(f"run-{number}", Run(settings), open=Charts))
    stages += [
        Work("draw", DrawChart(settings), open=Charts),
        Sieve("same_script", same_script),
        Sieve("same_picture", lambda: SeenPictures(settings.phash_distance)),
    ]
    if settings.aesthetics:
        stages.append(Ask("aesthetics", aesthetics(settings)))
    inputs = [source.path for source in (*settings.corpora, *settings.repositories)]
    return Pipeline("chart", lambda: drafts(settings), stages, inputs)


def drafts(settings: Settings) -> Iterator[tuple[str, Sample | Reject]]:
    """Scripts of the corpora, then those of the repositories; what cannot be read is rejected with its id."""
    for source in settings.corpora:
        for key, code in scripts(source):
            yield _draft(source, key, code, {})
    for source in settings.repositories:
        root = folder(source)
        for key, code in scripts(source):
            licence = source.licence or licence_of(root / key.partition("/")[0]) or licence_of(root)
            if settings.licences and licence not in settings.licences:
                code = Reject("licence", licence or "none that is known")
            yield _draft(source.model_copy(update={"licence": licence}), key, code, {MINED: True})


def _draft(source: Input, key: str, code: str | Reject, facts: dict[str, bool]) -> tuple[str, Sample | Reject]:
    if isinstance(code, str) and len(code) > LONGEST_FILE:
        code = Reject("too_large", f"{len(code)} characters")
    sample = draft("chart", source, key, response="" if isinstance(code, Reject) else code, checks=facts)
    return sample.id, code if isinstance(code, Reject) else sample


def read_script(resource: object, sample: Sample) -> Keep[Sample] | Reject:
    """A script tidied; of a repository's file only the part that draws."""
    checks = dict(sample.checks)
    code = sample.response
    if parsed(code) is None:
        return Reject("syntax_error", "does not parse")
    if checks.pop(MINED, False):
        part = cut(code)
        if part is None:
            return Reject("no_plot", "imports no plotting library, or draws nothing")
        code = part
    return Keep(sample.model_copy(update={"response": clean(code), "checks": checks}))


def same_script() -> Seen:
    """A memory of scripts by their syntax."""
    return Seen(lambda sample: script_hash(sample.response))
