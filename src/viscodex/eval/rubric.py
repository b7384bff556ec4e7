"""Rubrics: what a judge is asked, one versioned file each, `rubrics/VERSION.md`.

    version: infibench-1
    reply: marks

    You grade one answer … {question} … {answer}

The first line repeats the file's name; a changed text gets a new version and a new file. `reply` names the reader of
the judge's replies (`verdict.READERS`): `marks`, a JSON object with two integers of 0 to 50, or `score`, a last line
`Score: N/100`; without it, the form that the text asks for tells. After a blank line comes the text. `{word}` is a
slot; other braces stay as they are. Pictures come before the text, in the task's order.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from viscodex.core.errors import VisCodexError, did_you_mean
from viscodex.eval.verdict import READERS, Reader

SLOT = re.compile(r"\{([a-z][a-z0-9_]*)\}")
NAME = re.compile(r"[\w.-]+-\d+")
HEADER = ("version", "reply")


@dataclass(frozen=True)
class Rubric:
    """A rubric as read. `sha256` is of the whole file, so that a change without a new version shows."""

    version: str
    reply: str
    text: str
    sha256: str

    @property
    def slots(self) -> frozenset[str]:
        return frozenset(SLOT.findall(self.text))

    @property
    def reader(self) -> Reader:
        return READERS[self.reply]

    def fill(self, texts: Mapping[str, str]) -> str:
        """The text with its slots filled, in one pass: what looks like a slot in an answer stays as it is."""
        if wrong := self.slots ^ texts.keys():
            raise VisCodexError(f"the rubric {self.version} and its task do not agree on: {', '.join(sorted(wrong))}")
        return SLOT.sub(lambda match: texts[match[1]], self.text)


def load_rubric(version: str, folder: Traversable | None = None) -> Rubric:
    """The packaged rubric of a version, or the one in a folder."""
    place = folder or resources.files("viscodex.eval").joinpath("rubrics")
    if not NAME.fullmatch(version):
        raise VisCodexError(f'"{version}" is no rubric\'s version', hint="a name and a number: infibench-1")
    path = place.joinpath(f"{version}.md")
    if not path.is_file():
        known = [entry.name.removesuffix(".md") for entry in place.iterdir()] if place.is_dir() else []
        raise VisCodexError(f'no rubric "{version}"', where=str(place), hint=did_you_mean(version, known))
    return parse_rubric(path.read_text(encoding="utf-8"), version)


def parse_rubric(content: str, version: str) -> Rubric:
    """Read a rubric's file."""
    head, blank, text = content.replace("\r\n", "\n").partition("\n\n")
    header = dict(_entry(line, version) for line in head.split("\n"))
    if header.get("version") != version:
        raise VisCodexError(f"the rubric {version} must begin with the line: version: {version}")
    reply = header.get("reply") or _asked_for(text)
    if not blank or not text.strip() or reply not in READERS:
        raise VisCodexError(
            f"the rubric {version} does not say what replies look like", hint=f"reply: {' or '.join(READERS)}"
        )
    return Rubric(version, reply, text.strip(), hashlib.sha256(content.encode()).hexdigest())


def _entry(line: str, version: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or name.strip() not in HEADER:
        raise VisCodexError(f"the rubric {version} has a strange line in its header: {line}", hint="name: value")
    return name.strip(), value.strip()


def _asked_for(text: str) -> str:
    return next((name for name, reader in READERS.items() if reader.form in text), "")
