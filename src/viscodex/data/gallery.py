"""OUT/gallery.html: a contact sheet to look at before anybody trains on it; pictures beside their code, kept and not.

One file, nothing fetched. A page's code is also shown as a page, in a frame without scripts or network.
"""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from viscodex.core.errors import VisCodexError
from viscodex.core.rundir import atomic_write
from viscodex.core.sample import Image, Sample
from viscodex.data.output import SECONDS, Made
from viscodex.data.steps import DRAFTS
from viscodex.data.workshop import Workshop

KEPT_SHOWN, LOST_SHOWN = 36, 4  # per category; per category and reason
LARGEST = (560, 700)
MOST_CODE = 12_000
T = TypeVar("T")


@dataclass(frozen=True)
class Card:
    """One row as the gallery shows it."""

    id: str
    category: str
    status: str
    reason: str
    detail: str
    pictures: Sequence[str]
    question: str
    code: str
    facts: Sequence[tuple[str, str]]


def write_gallery(folder: Path, made: Sequence[Made], workshop: Workshop) -> None:
    """Write the page; the same rows give the same page."""
    import jinja2

    cards = [card for category in made for card in (*_kept(category, workshop), *_lost(category, workshop))]
    reasons = sorted({card.reason for card in cards if card.reason})
    source = resources.files("viscodex.data").joinpath("templates", "gallery.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)
    categories = [category.category for category in made]
    atomic_write(folder / "gallery.html", template.render(cards=cards, categories=categories, reasons=reasons))


def _kept(made: Made, workshop: Workshop) -> Iterator[Card]:
    for row_id in spread(made.walked.kept, KEPT_SHOWN):
        yield _card(workshop.sample(made.walked.content_key, row_id), "kept", "", "")


def _lost(made: Made, workshop: Workshop) -> Iterator[Card]:
    walked = made.walked
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row_id in sorted(walked.lost):
        entry = workshop.verdict(walked.lost[row_id], row_id)
        groups[walked.lost[row_id], entry.reason].append(row_id)
    for (key, reason), ids in sorted(groups.items()):
        stage = key.split("/")[1]
        for row_id in spread(ids, LOST_SHOWN):
            entry = workshop.verdict(key, row_id)
            why = f"{stage}: {reason}"
            if stage == DRAFTS:
                yield Card(row_id, made.category, entry.status, why, entry.detail, (), "", "", ())
            else:
                yield _card(workshop.sample(walked.before[key], row_id), entry.status, why, entry.detail)


def _card(sample: Sample, status: str, reason: str, detail: str) -> Card:
    facts = [(key, str(value)) for key, value in sample.checks.items() if is_flat(key, value)]
    return Card(
        sample.id,
        sample.kind,
        status,
        reason,
        detail[:500],
        [uri for image in sample.images[:4] if (uri := thumbnail(image))],
        sample.text[:2000],
        sample.response[:MOST_CODE],
        facts,
    )


def is_flat(key: str, value: Any) -> bool:
    """Whether a fact is one value, and no measured time."""
    return not isinstance(value, dict | list) and not key.endswith(SECONDS)


def thumbnail(image: Image) -> str:
    """A picture as a small data URI, the top of a tall page; "" when it cannot be decoded."""
    try:
        picture = image.load()
    except VisCodexError:
        return ""
    width, height = picture.size
    scale = min(1.0, LARGEST[0] / width)
    picture = picture.crop((0, 0, width, min(height, int(LARGEST[1] / scale) or 1)))
    picture = picture.resize((max(1, int(picture.width * scale)), max(1, int(picture.height * scale))))
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=80)  # WebP is a fifth smaller and takes ten times as long
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most so many, evenly from first to last."""
    if len(items) <= most:
        return list(items)
    return [items[place * len(items) // most] for place in range(most)]
