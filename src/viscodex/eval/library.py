"""The same from Python: `viscodex.score(answer, reference)` by the benchmarks' own scorers."""

from __future__ import annotations

import atexit
from functools import cache
from pathlib import Path

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Image, Kind, Sample
from viscodex.eval.benchmark import Rules, Score, benchmark
from viscodex.eval.on_demand import ScorersOnDemand
from viscodex.model.generate import Completion

BENCHMARKS: dict[Kind, str] = {"html": "design2code", "chart": "chartmimic", "algorithm": "mmcode", "qa": "infibench"}
"""Whose scorer is for which kind."""
SUFFIXES: dict[str, Kind] = {".html": "html", ".htm": "html", ".py": "chart"}


def score(
    answer: str | Path | Completion,
    reference: str | Path | Sample,
    *,
    kind: Kind | None = None,
    protocol: Rules = "fixed",
) -> Score:
    """What an answer is worth beside the page or the chart that is wanted, or by the checks of a benchmark's sample.

    Texts are code, or a model's whole answer; paths are files of it. The kind is the sample's, or that of the file's
    name. The first score of a kind takes seconds: its scorer stays open until Python ends. `Score.status` says whether
    the answer ran; without CLIP or a judge their values are None.
    """
    sample = reference if isinstance(reference, Sample) else _sample(reference, kind)
    completion = answer if isinstance(answer, Completion) else Completion(sample_id=sample.id, text=_text(answer))
    found, _ = _scorers(BENCHMARKS[sample.kind]).score(sample, completion, protocol)
    return found


def _sample(reference: str | Path, kind: Kind | None) -> Sample:
    kind = kind or (SUFFIXES.get(reference.suffix.lower()) if isinstance(reference, Path) else None)
    if kind not in ("html", "chart"):
        problem = "a reference is a page or a chart" if kind is None else f"{kind} is scored by its sample's checks"
        raise VisCodexError(problem, hint='kind="html", kind="chart", or a sample of a benchmark')
    text = _text(reference)
    if kind == "chart":
        from viscodex.eval.chartmimic.tasks import sample

        return sample("reference", text, Image(data=b""))
    from viscodex.eval.design2code.answer import fenced

    return Sample(id="reference", kind="html", prompt=(), response=fenced(text))


def _text(code: str | Path) -> str:
    if isinstance(code, str):
        return code
    try:
        return code.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise VisCodexError(f"cannot read it: {error.strerror}", where=str(code)) from error


@cache
def _scorers(name: str) -> ScorersOnDemand:
    scorers = ScorersOnDemand(benchmark(name), 1)
    atexit.register(scorers.close_idle)
    return scorers
