"""Checks of the Python packages, by their metadata: nothing is imported."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from viscodex.core.finding import Finding

SECTION = "Packages"
CONSTRAINTS = Path(__file__).parents[3] / "constraints.txt"  # in a checkout; an installed wheel has none


def requirements() -> Iterator[Finding]:
    """Each package that viscodex needs: present, new enough, and whether it is the version the tests ran with."""
    try:
        wanted = [Requirement(line) for line in metadata.requires("viscodex") or []]
    except metadata.PackageNotFoundError:
        yield Finding(SECTION, "viscodex", "missing", "not installed", "the command itself", "pip install -e .")
        return
    tested = tested_versions()
    for requirement in wanted:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _look(requirement, tested.get(_normal(requirement.name)))


def kernel() -> Iterator[Finding]:
    """The compiled inner loop of merging, which an installation without a C compiler leaves out."""
    from viscodex.merge.kernel import library

    purpose = "merging bfloat16 models several times faster than numpy does"
    if library() is not None:
        yield Finding(SECTION, "merge kernel", "ok", "compiled", purpose)
    else:
        fix = "with a C compiler: pip install --no-deps --force-reinstall -e ."
        yield Finding(SECTION, "merge kernel", "optional", "not compiled; numpy does its work", purpose, fix)


def tested_versions(path: Path = CONSTRAINTS) -> dict[str, str]:
    """Package → version from constraints.txt; empty when there is none."""
    if not path.is_file():
        return {}
    pins = (line.partition("#")[0].strip().partition("==") for line in path.read_text(encoding="utf-8").splitlines())
    return {_normal(name): version for name, equals, version in pins if equals}


def _look(requirement: Requirement, tested: str | None) -> Finding:
    range_wanted = f"{requirement.name}{requirement.specifier}"
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return Finding(SECTION, requirement.name, "missing", "not installed", "", f"pip install '{range_wanted}'")
    if not requirement.specifier.contains(found, prereleases=True):
        detail = f"{found}, needs {requirement.specifier}"
        return Finding(SECTION, requirement.name, "missing", detail, "", f"pip install '{range_wanted}'")
    if tested is not None and Version(found).public != tested:
        fix = f"pip install {requirement.name}=={tested}"
        return Finding(SECTION, requirement.name, "optional", f"{found}, tested with {tested}", "", fix)
    return Finding(SECTION, requirement.name, "ok", found)


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
