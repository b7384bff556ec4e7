"""A refinement as a folder: the code that was kept, a page that shows every round, and the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from viscodex.core.rundir import atomic_write, partial_path, publish, remove_tree, require_free, write_json
from viscodex.core.sample import Sample
from viscodex.serve.outcome import SUFFIX
from viscodex.serve.refine import Round, best_of


def write(out: Path, sample: Sample, rounds: Sequence[Round]) -> Path:
    """OUT/NAME.html or .py, OUT/refine.html, OUT/rounds.json and the pictures; the path of the code."""
    require_free(out)
    partial = partial_path(out)
    remove_tree(partial)
    partial.mkdir(parents=True)
    kept = best_of(rounds)
    code = f"{sample.id}{SUFFIX[sample.kind]}"
    atomic_write(partial / code, kept.candidate.completion.code + "\n")
    reference = ""
    if sample.images:
        reference = "wanted.png"
        sample.images[-1].load().save(partial / reference)
    rows = [_row(one, partial) for one in rounds]
    for one in rounds:
        atomic_write(partial / f"round-{one.number}{SUFFIX[sample.kind]}", one.candidate.completion.code + "\n")
    facts = summary(sample, rounds) | {"reference": reference}
    write_json(partial / "rounds.json", facts | {"rounds": rows})
    atomic_write(partial / "refine.html", _template().render(rounds=rows, **facts))
    publish(partial, out)
    return out / code


def summary(sample: Sample, rounds: Sequence[Round]) -> dict[str, Any]:
    """What was refined, and which round is kept."""
    kept = best_of(rounds)
    likeness = kept.candidate.likeness
    return {
        "name": sample.id,
        "kind": sample.kind,
        "generator": kept.candidate.completion.generator,
        "best": kept.number,
        "similarity": round(likeness.value, 4) if likeness else None,
    }


def _row(one: Round, folder: Path) -> dict[str, Any]:
    """A round as the page and the JSON tell it; its pictures are written beside them."""
    candidate, outcome = one.candidate, one.candidate.outcome
    completion = candidate.completion
    pictures = {"picture": outcome.png if outcome else b"", "difference": one.difference}
    names = {kind: f"round-{one.number}-{kind}.png" if png else "" for kind, png in pictures.items()}
    for kind, png in pictures.items():
        if png:
            atomic_write(folder / names[kind], png)
    return {
        "number": one.number,
        "asked": one.asked,
        "is_best": one.is_best,
        "is_follow_up": one.is_follow_up,
        "status": outcome.status if outcome else completion.finish,
        "is_ok": bool(outcome and outcome.is_ok),
        "reason": outcome.reason if outcome else completion.reason,
        "output": outcome.output if outcome else "",
        "similarity": round(candidate.likeness.value, 4) if candidate.likeness else None,
        "tokens": completion.usage.completion_tokens,
        "seconds": round(completion.seconds, 2),
        "code": completion.code,
        **names,
    }


def _template() -> Any:
    import jinja2

    loader = jinja2.PackageLoader("viscodex.serve", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("refine.html")
