"""How far the layout's blocks are from those that are seen: the golden pairs, and every bundled page against others.

A score by `eval.design2code.dom` beside the real one under `fixed`; the mean and the largest difference of each number.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import result
from design2code import MeteredBrowser, answer_to
from viscodex.core.sample import Sample
from viscodex.eval.design2code.answer import fenced, reference_page
from viscodex.eval.design2code.dom import approximate, layout_blocks
from viscodex.eval.design2code.load import load
from viscodex.eval.design2code.scorer import Design2CodeScorer
from viscodex.eval.design2code.scores import LOW
from viscodex.model.generate import Completion

GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "design2code"
Pair = tuple[str, str, str]
"""Which set, the answer's page, the reference page."""


def pairs() -> Iterator[Pair]:
    """The recorded pairs; each bundled page against itself with words changed, and against the next one."""
    for case in json.loads((GOLDEN / "scores.json").read_bytes())["cases"].values():
        pages = ((GOLDEN / case[side]).read_text(encoding="utf-8") for side in ("pred", "ref"))
        yield "golden", *pages
    pages = [reference_page(sample) for sample in load().samples]
    for page, other in zip(pages, pages[1:] + pages[:1], strict=True):
        yield "bundled, words changed", answer_to(page), page
        yield "bundled, another page", other, page


def main() -> None:
    browser = MeteredBrowser()
    differences: dict[str, list[dict[str, float]]] = {}
    spent = {"seen": 0.0, "layout": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        scorer = Design2CodeScorer(folder=Path(folder), browser=browser)
        for kind, answer, reference in pairs():
            sample = Sample(id="x", kind="html", prompt=("?",), response=fenced(reference))
            scorer.score(sample, Completion(sample_id="x", text=""))  # the reference is kept from now on
            known = layout_blocks(browser, reference)
            began = time.process_time(), browser.cpu_s
            fixed = scorer.score(sample, Completion(sample_id="x", text=fenced(answer))).scores[0]
            middle = time.process_time(), browser.cpu_s
            quick = approximate(browser, answer, known)
            spent["seen"] += sum(middle) - sum(began)
            spent["layout"] += time.process_time() + browser.cpu_s - sum(middle)
            differences.setdefault(kind, []).append({name: quick[name] - (fixed.values[name] or 0.0) for name in LOW})
        scorer.close()
    rows = [
        {"pairs": f"{kind} ({len(found)})", "number": name}
        | {
            "mean |Δ|": statistics.mean(abs(one[name]) for one in found),
            "mean Δ": statistics.mean(o[name] for o in found),
        }
        | {"largest |Δ|": max(abs(one[name]) for one in found)}
        for kind, found in differences.items()
        for name in LOW
    ]
    count = sum(map(len, differences.values()))
    notes = (
        f"Layout: {spent['layout'] / count:.2f} CPU seconds an answer, browser included; seen, both protocols: "
        f"{spent['seen'] / count:.2f}. References kept. For filters and rewards, never for reports."
    )
    print(result.write("dom_extractor", "Design2Code by layout instead of sight", rows, notes))


if __name__ == "__main__":
    main()
