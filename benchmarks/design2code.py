"""What scoring a page of Design2Code costs: our browser's CPU and our own, references kept, held against the recorded
cost of the published scorer.

Answers are made from real pages by changing words, so that matching has something to do. Two sets of pages: large ones,
as the published scorer was measured on; and as many as Design2Code has, with as many tags on average as its pages have.
`--pages N` and `--like N` take fewer.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import result
from rendering.real_pages import documentation, real_pages, self_contained
from viscodex.core.sample import Sample
from viscodex.eval.design2code.answer import fenced
from viscodex.eval.design2code.scorer import Design2CodeScorer
from viscodex.model.generate import Completion
from viscodex.sandbox.browser import Browser
from viscodex.sandbox.pages import Page, View

PUBLISHED = {"Python CPU a page (s)": 27.5, "browser CPU a page (s)": 9.0}
"""Measured once on 35 pairs of real pages, on this kind of machine."""
LARGEST = 60_000
"""Bytes: answers of models are smaller, and so are the benchmark's pages without their style sheets."""


class MeteredBrowser(Browser):
    """Adds up the CPU seconds and the loads of its pages."""

    cpu_s, loads = 0.0, 0

    def render(self, html: str, view: View = View()) -> Page:
        page = super().render(html, view)
        self.cpu_s += page.cpu_s
        self.loads += 1
        return page


LIKE, TAGS = 484, 158
"""Pages of the benchmark, and tags a page on average (arXiv 2403.03163, table 1)."""


def like_the_benchmark(most: int) -> dict[str, str]:
    """Real documentation pages spread evenly over those with the fewest tags, as many as have TAGS on average."""
    found = sorted(
        (len(re.findall(r"<[a-zA-Z]", path.read_text("utf-8", "replace"))), path) for path in documentation()
    )
    while sum(tags for tags, _ in found) > TAGS * len(found):
        found.pop()
    paths = [found[number * len(found) // most][1] for number in range(min(most, len(found)))]
    return {str(path): self_contained(path) for path in paths}


def tags_in(html: str) -> int:
    return len(re.findall(r"<[a-zA-Z]", html))


def chosen(most: int) -> dict[str, str]:
    """The real pages that are not too large, at most so many."""
    small = {name: html for name, html in real_pages().items() if len(html) < LARGEST}
    return dict(list(small.items())[:most])


def answer_to(html: str) -> str:
    """A page that says nearly the same: every 17th word in capitals, a smaller margin."""
    words = html.split(" ")
    words[::17] = [word if "<" in word or "=" in word else word.upper() for word in words[::17]]
    return " ".join(words).replace("margin", "margin-left", 1)


def measured(pages: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Our own CPU and the browser's over all pages; references are looked at before."""
    browser = MeteredBrowser()
    scorer = Design2CodeScorer(folder=folder, browser=browser)
    samples = {
        name: Sample(id=name, kind="html", prompt=(name,), response=fenced(html)) for name, html in pages.items()
    }
    for name, html in pages.items():
        scorer.score(samples[name], Completion(sample_id=name, text=fenced(html)))
    browser.cpu_s, browser.loads = 0.0, 0
    cpu, wall, failed = time.process_time(), time.monotonic(), 0
    for name, html in pages.items():
        outcome = scorer.score(samples[name], Completion(sample_id=name, text=fenced(answer_to(html))))
        failed += any(score.status != "scored" for score in outcome.scores)
    spent = {
        "Python CPU a page (s)": round((time.process_time() - cpu) / len(pages), 3),
        "browser CPU a page (s)": round(browser.cpu_s / len(pages), 3),
        "wall a page (s)": round((time.monotonic() - wall) / len(pages), 3),
        "loads a page": round(browser.loads / len(pages), 2),
        "failed": failed,
    }
    scorer.close()
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=1000, help="at most so many large pages")
    parser.add_argument("--like", type=int, default=LIKE, help="so many pages like the benchmark's")
    parser.add_argument("--out", type=Path, default=result.RESULTS, help="where design2code.json goes")
    given = parser.parse_args()
    sets = {"large pages": chosen(given.pages), "pages like the benchmark's": like_the_benchmark(given.like)}
    rows: list[dict[str, Any]] = [{"scorer": "published, one protocol (recorded)", "pages": "large pages", **PUBLISHED}]
    for name, pages in sets.items():
        with tempfile.TemporaryDirectory() as folder:
            ours = measured(pages, Path(folder))
        spent = sum(ours[key] for key in PUBLISHED)
        rows.append({"scorer": "ours, both protocols", "pages": f"{len(pages)} {name}", **ours})
        rows[-1] |= {f"CPU min for {LIKE}": round(spent * LIKE / 60, 1)}
        if name == "large pages":
            rows[-1] |= {"times less CPU": round(sum(PUBLISHED.values()) / spent, 1)}
    notes = (
        f"Real pages (Python and SQLite documentation), each with an answer made from it. Large: up to "
        f"{LARGEST // 1000} kB. Like the benchmark's: {TAGS} tags on average. References kept, CLIP without weights, "
        "pictures and overlays drawn."
    )
    print(result.write("design2code", "Scoring Design2Code", rows, notes, folder=given.out))


if __name__ == "__main__":
    main()
