"""One record of a published MCD file, as it is found in the wild, into a sample.

    {"images": ["mcd_images/….png"], "messages": [{"role": "user", "content": "<image>…"},
     {"role": "assistant", "content": "```html …"}], "category": "html"}

What can be read in one way only is read and counted as an oddity; what cannot is refused with a reason. Fields that
our own exports add (`id`, `source`, `license`, `checks`, …) are taken over, so that a round trip gives the same rows.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, get_args

from viscodex.core.pictures import PictureError, Pictures, bare
from viscodex.core.row import APART
from viscodex.core.row import MARKER as MARK
from viscodex.core.sample import Image, Kind, Sample, Source

ROLES = {"user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant", "system": "system"}
CODE = re.compile(r"(?P<fence>`{3,}|~{3,}).*?(?:(?P=fence)|\Z)|(?P<tick>`+)(?!`)[^\n]+?(?<!`)(?P=tick)(?!`)", re.DOTALL)
FENCE = re.compile(r"```|~~~")
SPLIT = re.compile(r"[A-Za-z0-9_]{1,40}")
LONGEST_ID = 200
Oddities = Counter[str]


class RefusedError(Exception):
    """A record that is not kept: `reason` is counted, the message is for people."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail)
        self.reason = reason


class Record:
    """A record's fields in one shape: who it is, what it says, which pictures it names."""

    def __init__(self, value: Any, oddities: Oddities) -> None:
        if not isinstance(value, dict):
            raise RefusedError("not a record", f"{type(value).__name__}, not an object")
        self.value: Mapping[str, Any] = value
        self.kind = _kind(value, oddities)
        self.names = _names(value, oddities)
        self.asked, self.answer = _turns(value, oddities)
        own = value.get("id")
        self.own_id = own if isinstance(own, str) and 0 < len(own) <= LONGEST_ID and own.isprintable() else ""

    def digest(self) -> bytes:
        """The same for records that say the same, however their category and paths are written."""
        content = [self.own_id, self.kind, self.asked, self.answer, [bare(name) for name in self.names]]
        return hashlib.sha256(json.dumps(content).encode()).digest()[:16]

    def sample(self, sample_id: str, origin: Mapping[str, str], pictures: Pictures, oddities: Oddities) -> Sample:
        """The sample, its pictures read."""
        texts = split_marks(self.asked, len(self.names), oddities)
        images = [_read(name, pictures, oddities) for name in self.names]
        prompt: list[str | Image] = [texts[0]]
        for image, text in zip(images, texts[1:], strict=True):
            prompt += [image, text]
        if not FENCE.search(self.answer):
            oddities["answer without a code fence"] += 1
        if MARK in self.answer:
            oddities[f"{MARK} in an answer"] += 1
        if not images and self.kind in ("html", "chart"):
            oddities[f"{self.kind} without a picture"] += 1
        return Sample(
            id=sample_id,
            kind=self.kind,
            prompt=tuple(part for part in prompt if part != ""),
            response=self.answer,
            checks=_checks(self.value, origin, oddities),
            source=_source(self.value, oddities),
        )


def split_marks(text: str, pictures: int, oddities: Oddities) -> list[str]:
    """The texts before, between and after the pictures: one more than there are pictures.

    All marks are pictures' if their number says so; else those outside of code, if their number does; a text without
    marks has its pictures in front. Everything else is refused.
    """
    parts = text.split(MARK)
    if len(parts) == pictures + 1:
        return parts
    spans = [match.span() for match in CODE.finditer(text)]
    marks = [match.start() for match in re.finditer(MARK, text)]
    outside = [place for place in marks if not any(start <= place < end for start, end in spans)]
    if len(outside) == pictures:
        oddities[f"{MARK} inside code"] += 1
        begins = [0, *(place + len(MARK) for place in outside)]
        return [text[start:end] for start, end in zip(begins, [*outside, len(text)], strict=True)]
    if not outside:
        oddities[f"no {MARK} for a picture: put in front"] += 1
        return [""] * pictures + [text if text.startswith("\n") else f"\n{text}"]
    raise RefusedError(f"{MARK} and pictures differ", f"{len(marks)} marks, {pictures} pictures")


def _kind(value: Mapping[str, Any], oddities: Oddities) -> Kind:
    written = value.get("category")
    if not isinstance(written, str) or not written.strip():
        raise RefusedError("no category", repr(written)[:80])
    kind = written.strip().lower()
    if kind not in get_args(Kind):
        raise RefusedError("unknown category", written[:80])
    if kind != written:
        oddities["category in another case"] += 1
    return kind  # type: ignore[return-value]  # just looked up


def _names(value: Mapping[str, Any], oddities: Oddities) -> list[str]:
    """Paths of the pictures. A text-only record has an empty list, none, or null."""
    if "images" not in value:
        oddities["no field for images"] += 1
        return []
    images = value["images"]
    if isinstance(images, str):
        oddities["images is one path, not a list"] += 1
        images = [images] if images else []
    if images is None:
        oddities["images is null"] += 1
        images = []
    if not isinstance(images, list) or not all(isinstance(name, str) and name for name in images):
        raise RefusedError("images are not paths", repr(images)[:80])
    return images


def _turns(value: Mapping[str, Any], oddities: Oddities) -> tuple[str, str]:
    """(question, answer): MCD has one turn each."""
    messages = value.get("messages")
    if not isinstance(messages, list) or not all(isinstance(turn, dict) for turn in messages):
        raise RefusedError("no messages", repr(messages)[:80])
    roles = [ROLES.get(str(turn.get("role")).strip().lower(), "?") for turn in messages]
    if roles != ["user", "assistant"]:
        raise RefusedError("not one question and one answer", ", ".join(roles)[:80])
    if [turn.get("role") for turn in messages] != roles:
        oddities["role under another name"] += 1
    asked, answer = (_text(turn.get("content"), oddities) for turn in messages)
    if not answer.strip():
        raise RefusedError("no answer")
    if not asked.strip():
        raise RefusedError("no question")
    return asked, answer


def _text(content: Any, oddities: Oddities) -> str:
    """A message's text: a string, or the parts that chat interfaces speak, with a mark for each picture."""
    if isinstance(content, list) and content and all(isinstance(part, dict) for part in content):
        parts = [_part(part) for part in content]
        oddities["content in parts"] += 1
        content = "".join(parts)
    if not isinstance(content, str):
        raise RefusedError("content is not text", f"{type(content).__name__}: {content!r}"[:80])
    try:
        content.encode()
    except UnicodeEncodeError as error:
        raise RefusedError("content is not text", f"no Unicode at character {error.start}") from error
    return content


def _part(part: Mapping[str, Any]) -> str:
    match part:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "image" | "image_url"}:
            return MARK
    raise RefusedError("content is not text", f"a part {part!r}"[:80])


def _read(name: str, pictures: Pictures, oddities: Oddities) -> Image:
    try:
        picture = pictures.get(name)
    except PictureError as error:
        raise RefusedError(error.reason, str(error)) from error
    if picture.is_mended:
        oddities["picture under another prefix"] += 1
    return Image(path=name, data=picture.data)


def _checks(value: Mapping[str, Any], origin: Mapping[str, str], oddities: Oddities) -> dict[str, Any]:
    """What is known of the record: what our own exports wrote along, and where it came from."""
    told = _field(value, "checks", dict, oddities)
    checks = {key: fact for key, fact in told.items() if key not in APART}
    for name in ("generator", "hashes"):
        if facts := _field(value, name, dict, oddities):
            checks[name] = facts
    split = _field(value, "split", str, oddities)
    if SPLIT.fullmatch(split):  # it becomes a file's name
        checks["split"] = split
    elif split:
        oddities["split is no name: left out"] += 1
    own = {"name": "source", "id": "source_id", "attribution": "attribution"}
    carried = {key: _field(value, field, str, oddities) for key, field in own.items()}
    checks["origin"] = carried if any(carried.values()) else {**origin, "attribution": ""}
    return checks


def _source(value: Mapping[str, Any], oddities: Oddities) -> Source:
    own = {"url": "url", "licence": "license", "author": "author", "retrieved": "retrieved"}
    return Source(**{key: _field(value, field, str, oddities) for key, field in own.items()})


def _field(value: Mapping[str, Any], name: str, kind: type, oddities: Oddities) -> Any:
    found = value.get(name)
    if found is None:
        return kind()
    if not isinstance(found, kind):
        oddities[f"{name} is not what ours is: left out"] += 1
        return kind()
    return found
