"""The html pipeline as a list of stages, and its drafts."""

from __future__ import annotations

from collections.abc import Iterator

from viscodex.core.sample import Sample
from viscodex.data.dedup import SeenPages
from viscodex.data.html.design import Design, keep_own_page, quality
from viscodex.data.html.render import Render
from viscodex.data.html.seeds import PAGE, DrawSeed
from viscodex.data.html.settings import Settings
from viscodex.data.inputs import PAGES, draft, files, folder, pictures
from viscodex.data.pipeline import Ask, Pipeline, Sieve, Stage, Work
from viscodex.runner.stage import Reject
from viscodex.sandbox.browser import Browser


def pipeline(settings: Settings) -> Pipeline:
    """Seeds, designs, drawing with every check, duplicates, marks."""
    stages: list[Stage] = [Work("seed", DrawSeed(settings), open=Browser)]
    if settings.design:
        stages.append(Ask("design", Design(settings), otherwise=Work("own_page", keep_own_page)))
    stages += [
        Work("render", Render(settings), open=Browser),
        Sieve("duplicates", lambda: SeenPages(settings.phash_distance, settings.dom_similarity)),
    ]
    if settings.judge:
        stages.append(Ask("quality", quality(settings)))
    inputs = [source.path for source in (*settings.screenshots, *settings.pages)]
    return Pipeline("html", lambda: drafts(settings), stages, inputs)


def drafts(settings: Settings) -> Iterator[tuple[str, Sample | Reject]]:
    """Screenshots first, then pages; each as often as designs are wanted of it."""
    numbers = range(settings.designs_per_seed if settings.design else 1)
    for source in settings.screenshots:
        for key, picture in pictures(source):
            for number in numbers:
                if isinstance(picture, Reject):
                    yield draft("html", source, key, number).id, picture
                else:
                    sample = draft("html", source, key, number, prompt=(picture,))
                    yield sample.id, sample
    for source in settings.pages:
        root = folder(source)
        for key, _ in files(root, PAGES):
            for number in numbers:
                sample = draft("html", source, key, number, checks={PAGE: [str(root), key]})
                yield sample.id, sample
