"""OUT/build.json: what a build did, in numbers; the card is made of it, and whoever compares two builds reads it."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from viscodex.core.rundir import read_json
from viscodex.data.output import Made
from viscodex.data.recipe import DataRecipe
from viscodex.data.workshop import BEGUN, LEDGER, Workshop
from viscodex.runner.shards import Shard
from viscodex.version import __version__

BUILD = "build.json"
DRAWN_BY = ("pyarrow", "pillow", "matplotlib", "imagehash", "datasketch")


def facts_of(
    recipe: DataRecipe, shard: Shard, made: Sequence[Made], workshop: Workshop, folder: Path
) -> dict[str, Any]:
    """Everything countable about a build whose shards stand in `folder`."""
    spent = workshop.replies.spent(LEDGER)
    return {
        "name": recipe.name,
        "viscodex": __version__,
        "shard": [shard.index, shard.count],
        "recipe": recipe.fingerprint,
        "begun": _day(read_json(workshop.folder / BEGUN)),
        "finished": _day(time.time()),
        "model": recipe.model_name,
        "cost": asdict(spent),
        "versions": _versions(),
        "categories": {category.category: category_facts(category) for category in made},
        "checksums": checksums(folder),
    }


def category_facts(made: Made) -> dict[str, Any]:
    """One category's numbers; `funnel` has a line for each stage."""
    walked = made.walked
    tallies = walked.tallies
    rejected = sum((tally.rejected for tally in tallies), Counter[str]())
    failed = sum((tally.failed for tally in tallies), Counter[str]())
    how = {step.name: step.how for step in walked.plan.steps}
    return {
        "seen": tallies[0].seen,
        "kept": len(walked.kept),
        "rejected": rejected.total(),
        "failed": failed.total(),
        "splits": dict(sorted(made.rows.items())),
        "pictures": made.pictures,
        "licences": dict(made.licences.most_common()),
        "sources": dict(made.sources.most_common()),
        "generators": [[*pair, count] for pair, count in made.generators.most_common() if any(pair)],
        "answered": made.times,
        "left_out": list(walked.plan.left_out),
        "inputs": _inputs(walked.plan.pipeline.inputs),
        "funnel": [
            {
                "stage": tally.stage,
                "how": how.get(tally.stage, "inputs"),
                "seen": tally.seen,
                "kept": tally.kept,
                "rejected": dict(tally.rejected.most_common()),
                "failed": dict(tally.failed.most_common()),
                "seconds": round(walked.seconds.get(tally.stage, 0.0), 1),
            }
            for tally in tallies
        ],
    }


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every shard, by its path in the folder."""
    found = {}
    for path in sorted(folder.rglob("*.parquet")):
        with path.open("rb") as file:
            found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _inputs(paths: Any) -> list[dict[str, Any]]:
    """Inputs by their names and sizes; where they lie is this machine's own affair."""
    found = []
    for path in map(Path, paths):
        found.append({"name": path.name, "bytes": path.stat().st_size if path.is_file() else None})
    return found


def _versions() -> dict[str, str]:
    found = {}
    for name in DRAWN_BY:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # an extra that this build did without
            continue
    return found


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
