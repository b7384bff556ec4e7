"""One row of `Posts.xml`, read strictly: what is no well-formed post is a `MalformedError`, with its reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

LARGEST_ID = 2**40
LICENCES = (("2011-04-08", "CC BY-SA 2.5"), ("2018-05-02", "CC BY-SA 3.0"), ("9999", "CC BY-SA 4.0"))
"""Contributions before each day stand under this licence, where the row does not say it."""


class MalformedError(ValueError):
    """The row is not a post that can be read."""


@dataclass(frozen=True)
class Post:
    """A question or an answer. `body` is HTML. `owner` is an account's number, or a name, or "": deleted."""

    id: int
    type: int
    body: str
    title: str = ""
    tags: tuple[str, ...] = ()
    score: int = 0
    views: int = 0
    accepted: int = 0
    parent: int = 0
    owner: str = ""
    created: str = ""
    licence: str = ""


def read_post(line: bytes) -> Post:
    """Parse one `<row …/>`. libxml2 refuses attributes of ten million bytes, NUL, and what is no UTF-8."""
    from lxml import etree

    try:
        row = etree.fromstring(line.strip(), _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise MalformedError(str(error)) from error
    if row.tag != "row":
        raise MalformedError(f"an element {row.tag!r}")
    values: dict[str, str] = dict(row.attrib)
    return Post(
        id=_number(values, "Id", least=1),
        type=_number(values, "PostTypeId", least=1),
        body=values.get("Body", ""),
        title=values.get("Title", ""),
        tags=tags_of(values.get("Tags", "")),
        score=_number(values, "Score", default=0),
        views=_number(values, "ViewCount", default=0),
        accepted=_number(values, "AcceptedAnswerId", default=0),
        parent=_number(values, "ParentId", default=0),
        owner=_owner(values),
        created=values.get("CreationDate", ""),
        licence=values.get("ContentLicense") or licence_of(values.get("CreationDate", "")),
    )


def tags_of(text: str) -> tuple[str, ...]:
    """`<python><list>` as dumps had them, `|python|list|` as they have them since 2024."""
    return tuple(re.findall(r"[^<>|\s]+", text))


def licence_of(created: str) -> str:
    """By the day of the contribution; the newest where that is not known, since all of them ask for the same."""
    if not re.match(r"\d{4}-\d\d-\d\d", created):
        return LICENCES[-1][1]
    return next(licence for before, licence in LICENCES if created < before)


def _owner(values: dict[str, str]) -> str:
    """Deleted accounts leave a display name, sometimes; -1 is the Community user."""
    number = values.get("OwnerUserId", "")
    return number if re.fullmatch(r"-?\d{1,18}", number) else values.get("OwnerDisplayName", "").strip()


def _number(values: dict[str, str], name: str, *, default: int | None = None, least: int | None = None) -> int:
    text = values.get(name, "")
    if not text and default is not None:
        return default
    if len(text) > 18 or not text.removeprefix("-").isdecimal() or abs(number := int(text)) > LARGEST_ID:
        raise MalformedError(f"{name} is {text[:40]!r}")
    if least is not None and number < least:
        raise MalformedError(f"{name} is {number}")
    return number


@cache
def _parser() -> Any:
    from lxml import etree

    return etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, remove_comments=True)
