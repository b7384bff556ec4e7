"""A candidate: what the funnel proposes and a person decides on. One JSON object a line, pictures beside the table."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from viscodex.core.infibench_v import PostSource, Record
from viscodex.core.sample import Sample
from viscodex.data.infibench_v.paraphrase import question_of

SUFFIXES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"RIFF": "webp", b"BM": "bmp"}


class Candidate(BaseModel):
    """`record` is what would be exported as it stands; `paraphrase`: proposed words for its question, or ""."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    record: Record
    paraphrase: str = ""
    paraphrase_problem: str = ""
    needed: str = ""
    """Why the picture is needed, as the model or the rule says."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """Scores, views, tags."""
    attribution: str = ""

    @property
    def id(self) -> str:
        return self.record.id


def candidate(sample: Sample) -> tuple[Candidate, dict[str, bytes]]:
    """A candidate with its pictures by name."""
    checks = sample.checks
    pictures = {name_of(sample.id, number, image.read()): image.read() for number, image in enumerate(sample.images)}
    record = Record(
        id=sample.id,
        question=question_of(sample),
        images=tuple(pictures),
        category=checks["category"],
        language=checks["language"],
        source=PostSource(
            post_id=str(checks["origin"]["id"]),
            url=sample.source.url,
            authors=tuple(sample.source.author.split(" and ")),
            license=sample.source.licence,
        ),
        reference_answer=sample.response,
        grading=checks["grading"],
    )
    return Candidate(
        record=record,
        paraphrase=checks.get("paraphrase", ""),
        paraphrase_problem=checks.get("paraphrase_problem", ""),
        needed=checks.get("picture_needed", ""),
        facts={name: checks[name] for name in ("views", "question_score", "answer_score", "tags")},
        attribution=checks["origin"]["attribution"],
    ), pictures


def name_of(row_id: str, number: int, content: bytes) -> str:
    suffix = next((suffix for magic, suffix in SUFFIXES.items() if content.startswith(magic)), "bin")
    return f"pictures/{row_id}-{number}.{suffix}"
