"""What every reader of questions gives: samples, rejections, and the oddities that the linter tells of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Rejection, Sample
from viscodex.eval.benchmark import Suite
from viscodex.eval.infibench.reading import GradingError, Oddity

STAGE = "load"
LARGEST = 8 << 20
"""Bytes of one file that a suite names."""


@dataclass(frozen=True)
class Loaded:
    """One question as read: either a sample or the reason why there is none."""

    id: str
    sample: Sample | None = None
    rejection: Rejection | None = None
    oddities: tuple[Oddity, ...] = ()


def rejected(name: str, reason: str, detail: str) -> Loaded:
    return Loaded(name, rejection=Rejection(id=name, stage=STAGE, reason=reason, detail=detail[:500]))


def refused(name: str, error: VisCodexError) -> Loaded:
    """A question that an error of ours speaks of."""
    reason = error.reason if isinstance(error, GradingError) else "unreadable"
    return rejected(name, reason, f"{error.where}: {error.problem}" if error.where else error.problem)


def suite(found: Iterable[Loaded], source: str, full_size: int) -> Suite:
    """Samples and rejections; of two questions with one id the second is rejected."""
    kept = list(unique(found))
    return Suite(
        tuple(one.sample for one in kept if one.sample is not None),
        tuple(one.rejection for one in kept if one.rejection is not None),
        source,
        full_size,
    )


def unique(found: Iterable[Loaded]) -> Iterable[Loaded]:
    seen: set[str] = set()
    for one in found:
        if one.sample is not None and one.id in seen:
            yield replace(rejected(one.id, "duplicate_id", "another question has this id"), oddities=one.oddities)
        else:
            yield one
        seen.add(one.id)


def path_inside(folder: Path, name: str) -> Path:
    """A file below a folder that data names; GradingError for a name that leads out of it, by `..` or by a link."""
    pure = PurePosixPath(name.replace("\\", "/"))
    if not name or pure.is_absolute() or ".." in pure.parts or "\x00" in name:
        raise GradingError(f"not a file of this suite: {name!r}", reason="outside")
    path = folder / pure
    if not path.resolve().is_relative_to(folder.resolve()):
        raise GradingError(f"not a file of this suite: {name!r}", reason="outside")
    return path


def read_bytes(path: Path) -> bytes:
    """A regular file of bearable size; GradingError else."""
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            raise GradingError(f"the file {path.name} is not there", str(path), "missing_file")
        if path.stat().st_size > LARGEST:
            raise GradingError(f"{path.name} has more than {LARGEST >> 20} MiB", str(path), "too_large")
        return path.read_bytes()
    except OSError as error:
        raise GradingError(f"cannot read {path.name}: {error.strerror}", str(path), "missing_file") from error


def read_text(path: Path) -> str:
    try:
        return read_bytes(path).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise GradingError(f"{path.name} is not UTF-8 text", str(path), "unreadable") from error
