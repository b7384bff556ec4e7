"""Scripts run: once to see whether they work, with the picture a second time; both runs must tell the same.

What a script's run tells stays in `checks["attempt"]` until the picture is drawn, so that a model can mend it between.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from typing import Any

import PIL.Image

from viscodex.core.errors import VisCodexError, visible
from viscodex.core.sample import Sample
from viscodex.data.chart import legibility, rules
from viscodex.data.chart.settings import Settings
from viscodex.data.checks import code_hash, finished, is_single_colour
from viscodex.data.wording import draw, fill, options
from viscodex.runner.stage import Keep, Reject
from viscodex.sandbox.chart import Chart, Charts

ATTEMPT = "attempt"
"""Fact: {"code": hash of what was run, "reason": "" or why it failed, "error": for the model, "artists": hash}."""
INSTRUCTIONS = "chart-instructions-1"
REASONS = {"error": "script_error", "exit": "script_error", "died": "script_error"}
"""Status of a chart → reason; the others have the same name."""
GLYPHS = "missing from"


@dataclass(frozen=True)
class Check:
    """The static rules, for what has come out of a model or of a corpus."""

    settings: Settings

    def __call__(self, resource: object, sample: Sample) -> Keep[Sample] | Reject:
        return rules.problem(sample.response, self.settings) or Keep(sample)


@dataclass(frozen=True)
class Run:
    """Run a script that has not been run yet, and note how it went."""

    settings: Settings

    def __call__(self, charts: Charts, sample: Sample) -> Keep[Sample] | Reject:
        code = code_hash(sample.response)
        if sample.checks.get(ATTEMPT, {}).get("code") == code:
            return Keep(sample)
        attempt = {"code": code, **self._tried(charts, sample.response)}
        return Keep(sample.model_copy(update={"checks": sample.checks | {ATTEMPT: attempt}}))

    def _tried(self, charts: Charts, code: str) -> dict[str, str]:
        if broken := rules.problem(code, self.settings):  # a mended script may break rules that the first one kept
            return {"reason": broken.reason, "error": f"{broken.reason}: {broken.detail}", "artists": ""}
        chart = charts.run(code)
        problem = failure(chart)
        if problem is None:
            return {"reason": "", "error": "", "artists": fingerprint(chart)}
        return {"reason": problem.reason, "error": problem.detail, "artists": ""}


@dataclass(frozen=True)
class DrawChart:
    """Run the script again, compare, look at the picture, and make the pair: picture and instruction → script."""

    settings: Settings

    def __call__(self, charts: Charts, sample: Sample) -> Keep[Sample] | Reject:
        checks = dict(sample.checks)
        attempt = checks.pop(ATTEMPT)
        if attempt["reason"]:
            return Reject(attempt["reason"], attempt["error"])
        chart = charts.run(sample.response, boxes=self.settings.legibility)
        if problem := failure(chart):
            return Reject("not_deterministic", f"the second time: {problem.reason}: {problem.detail}")
        if fingerprint(chart) != attempt["artists"]:
            return Reject("not_deterministic", "the second run draws something else")
        if self.settings.legibility and (illegible := _legible(chart)):
            return illegible
        return Keep(self._pair(sample.model_copy(update={"checks": checks}), chart))

    def _pair(self, sample: Sample, chart: Chart) -> Sample:
        assert chart.artists is not None
        picture = _picture(chart)
        width, height = chart.artists.size
        text = draw(options(INSTRUCTIONS), self.settings.seed, sample.id, "instruction")
        instruction = fill(text, {"width": f"{width:g}", "height": f"{height:g}"})
        return finished(sample, chart.png, picture, instruction, **facts(chart))


def facts(chart: Chart) -> dict[str, Any]:
    """What is known of a chart that was drawn; `exec_s` is measured, and differs from run to run."""
    assert chart.artists is not None
    return {
        "chart_types": ",".join(sorted(chart.artists.types)),
        "axes": len(chart.artists.layout),
        "environment": chart.environment[:16],
        "exec_s": round(chart.cpu_s, 3),
    }


def failure(chart: Chart) -> Reject | None:
    """Why a run gives no chart, and the words in which a model is told. Our own failures raise, and are no verdict."""
    if chart.status == "unavailable":
        raise VisCodexError(f"the chart could not be run: {chart.reason}", hint="viscodex sandbox selftest")
    if chart.status not in ("ok", "no_figure"):
        place = f" (line {chart.line})" if chart.line else ""
        return Reject(REASONS.get(chart.status, chart.status), f"{visible(chart.reason, 400)}{place}")
    if chart.status == "no_figure" or chart.artists is None or chart.artists.figure != "open":
        return Reject("no_figure", "the script ends without an open figure")
    if chart.artists.figures != 1:
        return Reject("several_figures", f"the script draws {chart.artists.figures} figures")
    if chart.artists.problems:
        return Reject("unmeasurable", visible(chart.artists.problems[0], 400))
    if is_single_colour(_picture(chart)):
        return Reject("blank", "the figure is empty")
    if GLYPHS in chart.stderr:
        lines = [line for line in chart.stderr.splitlines() if GLYPHS in line]
        return Reject("missing_glyphs", visible(lines[0].partition("Warning: ")[2] or lines[0], 200))
    return None


def fingerprint(chart: Chart) -> str:
    """SHA-256 of every attribute that chart metrics read."""
    assert chart.artists is not None
    return hashlib.sha256(chart.artists.model_dump_json().encode()).hexdigest()


def _legible(chart: Chart) -> Reject | None:
    if chart.boxes is None:  # its artists cannot be measured
        return Reject("unmeasurable", visible(" ".join(chart.artists.problems if chart.artists else ()), 200))
    return legibility.problem(chart.boxes)


def _picture(chart: Chart) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(chart.png)).convert("RGB")


@cache
def matplotlib_version() -> str:
    """Of the environment that charts run in."""
    from viscodex.sandbox import chart_environment

    return chart_environment.require().packages["matplotlib"]
