"""Score one answer: draw both pages, find their blocks, match them, and let CLIP look at what is left."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import cv2

from viscodex.core.errors import VisCodexError
from viscodex.core.rundir import cache_folder
from viscodex.core.sample import Sample
from viscodex.eval.benchmark import Outcome, Rules, Score
from viscodex.eval.design2code.answer import reference_page
from viscodex.eval.design2code.bench import Bench
from viscodex.eval.design2code.candidate import Candidate, without_surrogates
from viscodex.eval.design2code.failure import FAILS_THE_FILE, PageFailedError
from viscodex.eval.design2code.keep import PROTOCOLS, Kept
from viscodex.eval.design2code.sight import Seen, look
from viscodex.model.clip import Clip, load_clip
from viscodex.model.generate import Completion
from viscodex.sandbox.browser import Browser

VERSION = "2"
"""Changes when scores may shift: kept references of another version are not used."""
PACKAGES = ("beautifulsoup4", "cdifflib", "numpy", "opencv-python-headless", "pillow", "scipy")


class Design2CodeScorer:
    """Holds a browser, CLIP if its weights are here, and the folder of references."""

    def __init__(self, *, clip: Clip | None = None, folder: Path | None = None, browser: Browser | None = None) -> None:
        cv2.setNumThreads(1)  # workers share the cores
        self._browser = browser or Browser()
        self._clip = clip
        drawn = _drawn_with(self._browser)
        self._kept = Kept(folder or cache_folder() / "design2code", drawn | {"scorer": VERSION})
        self.environment: Mapping[str, str] = drawn | {"clip": clip.fingerprint if clip else "missing"}

    def score(self, sample: Sample, completion: Completion) -> Outcome:
        """Both protocols' scores. Raises VisCodexError for faults of the browser or of the reference."""
        if completion.finish == "error":
            return Outcome(tuple(_unscored(sample, completion, rules) for rules in PROTOCOLS))
        html = without_surrogates(reference_page(sample))
        reference = self._reference(html)
        candidate = Candidate(completion)
        seen = candidate.look(self._browser)
        bench = Bench(self._clip, self._kept, html)
        scores = [bench.score(rules, seen[rules], reference[rules], candidate) for rules in PROTOCOLS]
        named = {"sample_id": sample.id, "index": completion.index}
        return Outcome(tuple(score.model_copy(update=named) for score in scores), bench.pictures(seen, reference))

    def close(self) -> None:
        self._browser.close()

    def _reference(self, html: str) -> Seen:
        known = self._kept.load(html)
        if known is not None:
            return known
        seen = look(self._browser, html)
        for rules, sight in seen.items():
            if isinstance(sight, PageFailedError) and (rules == "fixed" or sight.reason not in FAILS_THE_FILE):
                raise VisCodexError(f"the reference page cannot be drawn: {sight}")
        self._kept.save(html, seen)
        return seen


def open_scorer() -> Design2CodeScorer:
    """With this machine's browser, and CLIP as $VISCODEX_CLIP or the hub's cache has it."""
    return Design2CodeScorer(clip=load_clip())


def _unscored(sample: Sample, completion: Completion, rules: Rules) -> Score:
    return Score(
        sample_id=sample.id, index=completion.index, protocol=rules, status="unscored",
        reason="no_answer", detail=completion.reason,
    )  # fmt: skip


def _drawn_with(browser: Browser) -> dict[str, str]:
    """What pictures and blocks depend on; starts the browser."""
    found = browser.start()
    packages = {name: version(name) for name in PACKAGES}
    return {
        "browser": found.browser,
        "fonts": found.fonts_sha256,
        "python": platform.python_version(),  # its HTML parser differs between versions
        **packages,
    }
