"""Build the review queue: the funnel over a dump, balanced, as a folder that the desk opens.

OUT/candidates.jsonl   what people decide on, in the order in which they see it
OUT/pictures/          theirs
OUT/rejected.jsonl     every question with a picture that is not among them: at which stage, and why
OUT/funnel.json        counts per stage and reason
OUT/ATTRIBUTION.md     whose posts these are
OUT/README.md          the same to read

A build may be killed at any moment: what is known stands in OUT.work, and the same command goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from viscodex.core.errors import UsageError
from viscodex.core.rundir import (
    JsonLines,
    atomic_write,
    partial_path,
    publish,
    read_json,
    remove_tree,
    require_free,
    write_json,
)
from viscodex.data.build import means_of, open_service
from viscodex.data.facts import category_facts
from viscodex.data.infibench_v.balance import balance, targets
from viscodex.data.infibench_v.candidate import candidate
from viscodex.data.infibench_v.funnel import funnel
from viscodex.data.infibench_v.readme import readme
from viscodex.data.infibench_v.settings import BuilderRecipe
from viscodex.data.output import Made, kept_samples, lost_rows
from viscodex.data.progress import Watcher
from viscodex.data.steps import Plan, plan_steps
from viscodex.data.walk import Walked, walk
from viscodex.data.workshop import LEDGER, Workshop, open_workshop, workshop_path
from viscodex.runner.shards import Shard
from viscodex.version import __version__

CANDIDATES, REJECTED, FUNNEL = "candidates.jsonl", "rejected.jsonl", "funnel.json"
BALANCE = "balance"


def plan_of(recipe: BuilderRecipe) -> Plan:
    """Every stage, under a name that says what it depends on: changed thresholds cost what they change."""
    posts = recipe.posts().model_dump_json()
    return plan_steps(funnel(recipe), posts, f"limit {recipe.limit}", recipe.means().model_name)


def identity(recipe: BuilderRecipe) -> str:
    """The same for two recipes that give the same queue, whatever they run on."""
    keys = [step.key for step in plan_of(recipe).steps]
    balance_by = [recipe.size, sorted(recipe.shares.items()), recipe.queue, recipe.similarity, recipe.distance]
    return hashlib.sha256(json.dumps([keys, recipe.limit, balance_by]).encode()).hexdigest()[:16]


def build(recipe: BuilderRecipe, out: Path) -> dict[str, Any]:
    """Build into OUT, going on where an earlier run stopped; what OUT/funnel.json says."""
    if (out / FUNNEL).is_file():
        found: dict[str, Any] = read_json(out / FUNNEL)
        if found["identity"] != identity(recipe):
            raise UsageError("the folder holds another build", where=str(out), hint="another --out")
        return found
    require_free(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    means = recipe.means()
    plan = plan_of(recipe)
    watcher = Watcher("infibench-v")
    with (
        open_workshop(workshop_path(out), Shard(), {"dump": Path(recipe.dump).name}) as workshop,
        open_service(means) as service,
    ):
        try:
            walked = walk(plan, workshop, means_of(means, service, watcher), Shard(), recipe.limit)
        finally:
            watcher.close()
        partial = partial_path(out)
        remove_tree(partial)
        partial.mkdir(parents=True)
        facts = _write(recipe, walked, workshop, partial)
    publish(partial, out)
    return facts


def _write(recipe: BuilderRecipe, walked: Walked, workshop: Workshop, folder: Path) -> dict[str, Any]:
    chosen = balance(kept_samples(walked, workshop), recipe.size, recipe.shares, recipe.queue)
    (folder / "pictures").mkdir()
    credits, categories, languages = [], Counter[str](), Counter[str]()
    with JsonLines(folder / CANDIDATES) as table:
        for sample in chosen.queue:
            one, pictures = candidate(sample)
            table.append(one.model_dump(mode="json", exclude_defaults=True))
            for name, content in pictures.items():
                atomic_write(folder / name, content)
            credits.append(one.attribution)
            categories[one.record.category] += 1
            languages[one.record.language] += 1
    full: Iterable[dict[str, str]] = (
        {"id": row_id, "status": "rejected", "stage": BALANCE, "reason": "category_full", "detail": category}
        for row_id, category in sorted(chosen.full.items())
    )
    with JsonLines(folder / REJECTED) as table:
        for row in (*lost_rows(walked, workshop), *full):
            table.append(row)
    counts = category_facts(Made(walked))
    last = {"stage": BALANCE, "how": "order", "seen": len(walked.kept), "kept": len(chosen.queue)}
    last |= {"rejected": {"category_full": len(chosen.full)} if chosen.full else {}, "failed": {}, "seconds": 0.0}
    facts = {
        "name": recipe.name or "infibench-v",
        "viscodex": __version__,
        "identity": identity(recipe),
        "model": recipe.means().model_name,
        "cost": asdict(workshop.replies.spent(LEDGER)),
        "seen": counts["seen"],
        "candidates": len(chosen.queue),
        "categories": dict(categories.most_common()),
        "languages": dict(languages.most_common()),
        "wanted": targets(recipe.size, recipe.shares),
        "missing": chosen.missing,
        "left_out": counts["left_out"],
        "funnel": [*counts["funnel"], last],
    }
    assert counts["seen"] == len(chosen.queue) + len(chosen.full) + len(walked.lost)
    atomic_write(folder / "ATTRIBUTION.md", "# Attribution\n\n" + "".join(f"- {line}\n" for line in sorted(credits)))
    atomic_write(folder / "README.md", readme(facts))
    write_json(folder / FUNNEL, facts)
    return facts
