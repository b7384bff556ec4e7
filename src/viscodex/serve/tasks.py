"""From what a user names, paths, folders and standard input, to tasks."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.sample import Image, Kind, Sample
from viscodex.model.prompts import task
from viscodex.serve.kind import kind_of

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
STDIN = "-"


def pictures(paths: Sequence[str]) -> list[tuple[str, Image]]:
    """Name and picture of each path; a folder is every picture in it, by name. All are decoded once, or refused."""
    if list(paths).count(STDIN) > 1:
        raise UsageError("stdin holds one picture")
    found = [pair for path in paths for pair in _at(path)]
    for _, image in found:
        image.load()
    return found


def tasks(paths: Sequence[str], kind: Kind | None, prompt: str = "", *, together: bool = False) -> list[Sample]:
    """A task for each picture, or one about all of them; a prompt alone is a task, too. Names are unique.

    Without a kind, each picture says what it is: see `kind_of`. Without pictures, it is a question.
    """
    found = pictures(paths)
    if not found:
        if not prompt:
            raise UsageError("neither a picture nor a prompt", hint="viscodex generate page.png --model DIR")
        return [task(kind or "qa", [], prompt)]
    if together:
        return [_together(found, kind, prompt)]
    names = _unique(name for name, _ in found)
    return [
        task(kind or kind_of(image.load()), [image], prompt, name)
        for name, (_, image) in zip(names, found, strict=True)
    ]


def _together(found: Sequence[tuple[str, Image]], kind: Kind | None, prompt: str) -> Sample:
    images = [image for _, image in found]
    chosen = kind or kind_of(images[0].load())
    if len(images) > 1 and not prompt and chosen in ("html", "chart"):
        raise UsageError(
            f"the packaged {chosen} prompt is about one picture, and {len(images)} are given",
            hint="say with --prompt what to do with them",
        )
    return task(chosen, images, prompt, found[0][0])


def _at(path: str) -> Iterator[tuple[str, Image]]:
    if path == STDIN:
        yield "stdin", Image(data=sys.stdin.buffer.read())
        return
    place = Path(path)
    if not place.is_dir():
        yield place.stem, Image(path=path)
        return
    files = sorted(file for file in place.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    if not files:
        raise VisCodexError("no pictures in the folder", where=path, hint=f"files that end in {', '.join(SUFFIXES)}")
    yield from ((file.stem, Image(path=str(file))) for file in files)


def _unique(names: Iterable[str]) -> list[str]:
    """The second of a name gets a number, one that no other has."""
    given = list(names)
    taken = set(given)
    seen: set[str] = set()
    found = []
    for name in given:
        new = name
        if name in seen:
            new = next(other for number in count(2) if (other := f"{name}-{number}") not in taken)
            taken.add(new)
        seen.add(name)
        found.append(new)
    return found
