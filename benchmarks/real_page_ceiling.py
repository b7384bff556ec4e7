"""score(x, x) = 1 under `fixed` on real pages: every page of `real_pages` is scored as an answer to itself.

Pages come smallest first; what has been measured is kept in the result and not measured again (`--again` does).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import result
from rendering.real_pages import real_pages
from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Sample
from viscodex.eval.design2code.answer import fenced
from viscodex.eval.design2code.scorer import Design2CodeScorer
from viscodex.eval.design2code.scores import LOW
from viscodex.model.generate import Completion

EXACT = 1e-12
NAME = "real_page_ceiling"
Found = dict[str, Any]


def to_itself(scorer: Design2CodeScorer, name: str, html: str) -> Found:
    """A page as an answer to itself, drawn twice: its values, and a verdict in a word."""
    sample = Sample(id=name, kind="html", prompt=(name,), response=fenced(html))
    try:
        score = scorer.score(sample, Completion(sample_id=name, text=fenced(html))).scores[0]
    except VisCodexError as error:
        return {"verdict": error.problem}
    if score.status != "scored":
        return {"verdict": f"{score.status}: {score.reason}"}
    values = {name: score.values[name] or 0.0 for name in LOW}
    if all(abs(value - 1) <= EXACT for value in values.values()):
        return {"verdict": "one"}
    return {"verdict": "below one" if score.evidence["n_blocks"][1] else "no text", **values}


def written(pages: dict[str, Found]) -> Path:
    """The result so far."""
    found = Counter(page["verdict"] for page in pages.values())
    known = {"one": "exactly 1", "below one": "below 1", "no text": "without text"}
    others = sum(found.values()) - sum(found[verdict] for verdict in known)
    row = {"pages": len(pages), **{title: found[verdict] for verdict, title in known.items()}, "not drawn": others}
    notes = (
        f"{len(pages)} pages of Debian's documentation and npm's templates, smallest first, made self-contained, each "
        "drawn twice and scored against itself; 1 means all four numbers to 1e-12 under `fixed`."
    )
    return result.write(NAME, "Real pages against themselves", [row], notes, pages=pages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=1000, help="at most so many pages, the smallest")
    parser.add_argument("--more", type=int, default=60, help="documentation pages beside the usual sixty")
    parser.add_argument("--again", action="store_true", help="measure everything again")
    given = parser.parse_args()
    path = result.RESULTS / f"{NAME}.json"
    pages: dict[str, Found] = {} if given.again or not path.exists() else json.loads(path.read_bytes())["pages"]
    chosen = sorted(real_pages(given.more).items(), key=lambda page: len(page[1]))[: given.pages]
    with tempfile.TemporaryDirectory() as folder:
        scorer = Design2CodeScorer(folder=Path(folder))
        for name, html in chosen:
            if name not in pages:
                pages[name] = to_itself(scorer, name, html)
                print(len(pages), name, pages[name], flush=True)
                written(pages)
        scorer.close()
    print(written(pages))


if __name__ == "__main__":
    main()
