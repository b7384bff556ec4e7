"""The parts of --shard as one build: what the parts know is put together, then the build does what is missing.

So the result is that of one machine, to the byte: what must be judged as a whole (duplicates) is judged anew.
Needed are the parts' `.work` folders; the raw inputs are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from viscodex.core.errors import UsageError
from viscodex.core.rundir import remove_tree, require_free
from viscodex.data.build import Order, build
from viscodex.data.workshop import JOURNAL, PICTURES, REPLIES, Workshop, open_workshop, workshop_path
from viscodex.runner.shards import Shard, in_order

JOINED, JOINING = "joined", "joining"


def join(order: Order, parts: Sequence[Path], out: Path) -> dict[str, Any]:
    """Build OUT from the folders that `--shard 1/n … n/n` have built; what OUT/build.json says."""
    require_free(out)
    workshops = in_order([_workshop_of(part) for part in parts])
    shards = [Shard(index, len(workshops)) for index in range(1, len(workshops) + 1)]
    mine = workshop_path(out)
    if not (mine / JOINED).exists():
        _begin(mine)
        with open_workshop(mine, Shard(), order.identity()) as workshop:
            for shard, folder in zip(shards, workshops, strict=True):
                _take_over(order, workshop, shard, folder)
            for plan in order.plans:
                workshop.mark(plan.drafts_key)
        (mine / JOINING).rename(mine / JOINED)
    return build(order, out)


def _workshop_of(part: Path) -> Path:
    folder = workshop_path(part)
    if not (folder / JOURNAL).is_file():
        raise UsageError("a part without its work folder", where=str(folder), hint="copy PART.work along with PART")
    return folder


def _begin(mine: Path) -> None:
    """An empty work folder; what a join that was killed has left in it goes."""
    if mine.exists() and not (mine / JOINING).exists():
        raise UsageError("the work folder belongs to another build", where=str(mine), hint="another --out")
    remove_tree(mine)
    mine.mkdir(parents=True)
    (mine / JOINING).touch()


def _take_over(order: Order, workshop: Workshop, shard: Shard, folder: Path) -> None:
    theirs = order.part(shard).plans
    stages = {their.drafts_key: our.drafts_key for their, our in zip(theirs, order.plans, strict=True)}
    stages |= {step.key: step.key for plan in order.plans for step in plan.steps if step.how != "order"}
    workshop.pictures.take_over(folder / PICTURES)
    workshop.journal.take_over(folder / JOURNAL, stages)
    workshop.replies.take_over(folder / REPLIES)
