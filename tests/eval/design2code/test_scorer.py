"""The laws of the score, and answers that are anything but a page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Outcome, Score
from viscodex.eval.design2code.answer import fenced, reference_page
from viscodex.eval.design2code.load import load
from viscodex.eval.design2code.pixels import decode
from viscodex.eval.design2code.scorer import Design2CodeScorer
from viscodex.model.generate import Completion, Sampling
from viscodex.model.standins import Blank, Oracle

from .conftest import LOW

PAGE = "<!DOCTYPE html><html><body><h1>Welcome</h1><p>Some words about the garden.</p></body></html>"


def by_protocol(outcome: Outcome) -> dict[str, Score]:
    found = {score.protocol: score for score in outcome.scores}
    assert list(found) == ["fixed", "paper"]
    return found


@pytest.mark.slow
def test_the_oracle_has_the_ceiling_and_blank_the_floor(scorer):
    samples = load().samples
    for sample, best, none in zip(
        samples, Oracle().generate(samples, Sampling()), Blank().generate(samples, Sampling()), strict=True
    ):
        ceiling, floor = (by_protocol(scorer.score(sample, answer)) for answer in (best, none))
        assert ceiling["fixed"].values == pytest.approx({**dict.fromkeys(LOW, 1.0), "clip": None}, abs=1e-12), sample.id
        for score in floor.values():
            assert score.status == "scored"
            assert score.values == {**dict.fromkeys(LOW, 0.0), "clip": None}


@pytest.mark.slow
def test_real_pages_have_the_ceiling(score):
    """Documentation of Debian packages, where it is installed or in the cache of the benchmarks."""
    folders = ("/usr/share/doc", Path.home() / ".cache" / "viscodex" / "real-pages")
    pages = [path for folder in folders for path in sorted(Path(folder).rglob("*.html"))]
    pages = [path for path in pages if 4_000 < path.stat().st_size < 25_000]
    if not pages:
        pytest.skip("no HTML documentation on this machine")
    for path in pages[:: max(1, len(pages) // 4)][:4]:
        html = path.read_text(encoding="utf-8", errors="replace")
        fixed = by_protocol(score(fenced(html), html))["fixed"]
        if fixed.status == "failed" or not fixed.evidence["n_blocks"][1]:
            continue  # it leaves, or has no text
        assert {name: fixed.values[name] for name in LOW} == pytest.approx(dict.fromkeys(LOW, 1.0), abs=1e-12), path


@pytest.mark.slow
def test_order_and_what_came_before_change_nothing(cases, page, score, tmp_path):
    names = ["q_unicode__good", "q_degenerate__tiny", "q_inline__good"]
    rows = {name: (fenced(page(cases[name]["pred"])), page(cases[name]["ref"])) for name in names}
    once = {name: score(*rows[name], name) for name in names}
    again = {name: score(*rows[name], name) for name in reversed(names)}
    assert {name: again[name] for name in names} == once
    fresh = Design2CodeScorer(folder=tmp_path)
    name = names[0]
    sample = Sample(id=name, kind="html", prompt=("?",), response=fenced(rows[name][1]))
    assert fresh.score(sample, Completion(sample_id=name, text=rows[name][0])) == once[name]
    assert fresh.score(sample, Completion(sample_id=name, text=rows[name][0])) == once[name]  # with what was kept
    assert {kept.suffix for kept in tmp_path.rglob("*.*")} == {".json", ".png"}
    for kept in tmp_path.rglob("*.*"):
        kept.write_bytes(b"{")  # damaged: looked at again
    assert fresh.score(sample, Completion(sample_id=name, text=rows[name][0])) == once[name]
    fresh.close()


def test_evidence_and_pictures(cases, page, score):
    case = cases["q_degenerate__repeat"]
    outcome = score(fenced(page(case["pred"])), page(case["ref"]))
    found = by_protocol(outcome)
    assert found["paper"].evidence["truncated_from"] > 3000 > found["paper"].evidence["truncated_to"]
    assert found["fixed"].evidence["truncated_from"] is None
    assert found["paper"].evidence["n_blocks"] == case["n_blocks"]
    boxes = found["fixed"].evidence["boxes"]
    matched = [row for row in boxes["answer"] if row["with"] is not None]
    assert len(matched) == found["fixed"].evidence["matched"]
    assert all(boxes["reference"][row["with"]]["ratio"] == row["ratio"] for row in matched)
    assert set(outcome.pictures) == {"reference", "answer", "overlay"}
    for png in outcome.pictures.values():
        assert decode(png).ndim == 3
    json.dumps([score.model_dump(mode="json") for score in outcome.scores])


NASTY = {
    "empty": ("", "no_page"),
    "blank": (" \n\t ", "no_page"),
    "prose": ("I am sorry, I cannot do that.", "no_page"),
    "python": ("```python\nprint(1)\n```", "no_page"),
    "endless": (fenced("<html><script>while(true){}</script></html>"), "timeout"),
    "tall": (fenced("<html><body style='height:60000px'>x</body></html>"), "too_large"),
    "leaves": (fenced("<html><script>location = 'http://example.org/'</script>x</html>"), "navigated"),
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "endless" else name for name in NASTY]
)
def test_what_is_no_page_has_failed(score, name):
    answer, reason = NASTY[name]
    found = by_protocol(score(answer, PAGE))
    assert (found["fixed"].status, found["fixed"].reason) == ("failed", reason)
    assert found["fixed"].values == {**dict.fromkeys(LOW, 0.0), "clip": None}
    assert found["paper"].status == "scored"
    if reason != "no_page":
        assert found["paper"].evidence["blank_fallback"]
        assert found["paper"].values == found["fixed"].values


POLICY = """<meta http-equiv=Content-Security-Policy
content="default-src 'none'; require-trusted-types-for 'script'">"""
SURVIVED = {
    "bare": PAGE,
    "unclosed fence": "```html\n" + PAGE,
    "two fences": f"First:\n```html\n{PAGE}\n```\nand style:\n```css\np {{}}\n```",
    "prose around": f"Here you are:\n\n{fenced(PAGE)}\n\nI hope you like it.",
    "reasoning": f"<think>a page <html></think>\n{fenced(PAGE)}",
    "surrogates and NUL": fenced(PAGE.replace("</body>", "\ud800\0</body>")),
    "alerts": fenced(PAGE.replace("</body>", "<script>alert(1)</script></body>")),
    "fetches": fenced(PAGE.replace("</body>", "<img src='http://example.org/x.png' alt=''></body>")),
    "deep": fenced(PAGE.replace("</body>", "<div>" * 600 + "</body>")),
    "frozen": fenced(PAGE.replace("</body>", "<script>Object.freeze(document)</script></body>")),
    "a style without colon": fenced(PAGE.replace("<p>", "<p style='border-color'>")),
    "a policy": fenced(PAGE.replace("<html>", f"<html><head>{POLICY}</head>")),
}  # fmt: skip


@pytest.mark.parametrize("name", SURVIVED)
def test_the_page_in_an_unruly_answer_is_scored(score, name):
    fixed = by_protocol(score(SURVIVED[name], PAGE))["fixed"]
    assert fixed.status == "scored"
    assert fixed.values["text"] == pytest.approx(1.0) and fixed.values["position"] == pytest.approx(1.0)
    json.dumps(fixed.model_dump(mode="json"))


def test_a_megabyte_has_an_end(score):
    found = by_protocol(score(fenced("<html><body><p>" + "word " * 200_000 + "</p></body></html>"), PAGE))
    assert found["fixed"].status in ("failed", "scored")
    assert found["paper"].status == "scored"


def test_markup_that_python_refuses_fails_the_published_scorer_alone(score):
    found = by_protocol(score(fenced(PAGE.replace("</body>", "<![ x</body>")), PAGE))
    assert found["fixed"].status == "scored"
    assert (found["paper"].status, found["paper"].reason) == ("failed", "rejected_markup")


def test_an_answer_that_was_not_given_is_unscored(scorer):
    sample = load().samples[0]
    outcome = scorer.score(sample, Completion(sample_id=sample.id, finish="error", reason="out of memory", index=2))
    for score in by_protocol(outcome).values():
        assert (score.status, score.values, score.index, score.detail) == ("unscored", {}, 2, "out of memory")


def test_a_bundled_screenshot_is_what_its_page_looks_like(scorer):
    sample = load().samples[0]
    outcome = scorer.score(sample, Completion(sample_id=sample.id, text=fenced(reference_page(sample))))
    drawn, kept = decode(outcome.pictures["reference"]), np.asarray(sample.images[0].load())
    assert drawn.shape == kept.shape
