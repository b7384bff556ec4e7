"""Stages that are done once: each leaves a marker with the fingerprint of all that went into it.

    OUT/stages/NAME.json     "begun", then "done"; another fingerprint there means that its results are made anew

A stage that was killed runs again over what it left: trainings resume, evaluations continue, shards are written anew.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viscodex.core import console
from viscodex.core.errors import UsageError
from viscodex.core.rundir import read_json, remove_tree, write_json

FORMAT = 1  # what a stage makes of the same settings has changed when this does


@dataclass(frozen=True)
class Stage:
    """One step of a build. `makes`: folders or files below OUT; `settings`: the values that its results depend on."""

    name: str
    run: Callable[[], Mapping[str, Any] | None]
    makes: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


def run_stages(out: Path, stages: Sequence[Stage], only: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Run what is not done, in order; the marker of each. `only`: these and nothing else, if named."""
    prints = fingerprints(stages)
    if unknown := [name for name in only if name not in prints]:
        raise UsageError(f'no stage "{unknown[0]}"', hint=", ".join(prints))
    (out / "stages").mkdir(parents=True, exist_ok=True)
    for number, stage in enumerate(stages, start=1):
        if only and stage.name not in only:
            continue
        place = _marker(out, stage.name)
        known = read_json(place) if place.exists() else {}
        if known.get("state") == "done" and known["fingerprint"] == prints[stage.name]:
            continue
        if known and known["fingerprint"] != prints[stage.name]:
            console.say(f"{stage.name}: made from other settings or inputs before, so it is made anew")
            for made in stage.makes:
                _remove(out / made)
        console.say(f"{number}/{len(stages)} {stage.name}")
        write_json(place, {"state": "begun", "fingerprint": prints[stage.name]})
        begun, cpu = time.monotonic(), time.process_time()
        facts = dict(stage.run() or {})
        told = {"seconds": round(time.monotonic() - begun, 1), "cpu_seconds": round(time.process_time() - cpu, 1)}
        write_json(place, {"state": "done", "fingerprint": prints[stage.name], **told, "facts": facts})
    return markers(out, stages)


def markers(out: Path, stages: Sequence[Stage]) -> dict[str, dict[str, Any]]:
    """Stage → what its marker says, of those that were begun."""
    return {stage.name: read_json(_marker(out, stage.name)) for stage in stages if _marker(out, stage.name).exists()}


def fingerprints(stages: Sequence[Stage]) -> dict[str, str]:
    """Of each stage: its settings, and the fingerprints of the stages it needs."""
    found: dict[str, str] = {}
    for stage in stages:
        facts = [FORMAT, stage.name, stage.settings, [found[name] for name in stage.needs]]
        found[stage.name] = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
    return found


def pending(out: Path, stages: Sequence[Stage]) -> Iterator[str]:
    """Names of the stages that are not done."""
    for name, print_ in fingerprints(stages).items():
        place = _marker(out, name)
        known = read_json(place) if place.exists() else {}
        if known.get("state") != "done" or known["fingerprint"] != print_:
            yield name


def facts_of(out: Path, name: str) -> dict[str, Any]:
    """What a finished stage told."""
    known: dict[str, Any] = read_json(_marker(out, name))["facts"]
    return known


def _marker(out: Path, name: str) -> Path:
    return out / "stages" / f"{name}.json"


def _remove(path: Path) -> None:
    if path.is_dir():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)
