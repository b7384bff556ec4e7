"""A dump of 50,000 posts through the qa pipeline and the builder: by rules alone, and with a model on a loopback."""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import result

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.data.stackexchange import write_dump, write_pictures
from tests.endpoint import Call, Endpoint, Says

from viscodex.data import qa
from viscodex.data.build import Order, build
from viscodex.data.decontaminate import Settings as Decontamination
from viscodex.data.decontaminate import decontaminated
from viscodex.data.recipe import DataRecipe

POSTS, QUICK_POSTS = 50_000, 2_000


def reply(call: Call) -> Says:
    """A model of sorts: one picture in five is not needed; of answers one in nine is cut off, one in eleven broken."""
    number = sum(call.text.encode())
    if "ANSWER BEGINS" not in call.text:
        return Says(json.dumps({"needed": number % 5 != 0, "reason": "a stand-in's verdict"}))
    answer = call.text.partition("ANSWER BEGINS\n")[2].partition("\nANSWER ENDS")[0]
    if number % 9 == 0:
        return Says(answer[: len(answer) // 2], finish="length")
    if number % 11 == 0:
        answer = answer.replace("print(", "print((")
    return Says(f"The cause, in a sentence.\n\n{answer}")


def run(work: Path, dump: Path, endpoint: Endpoint | None) -> dict[str, Any]:
    """One build; its funnel, and that nothing is lost or asked twice."""
    pictures = qa.PictureSettings(folder=str(work / "pictures"), cache=str(work / "cache"))
    settings = qa.Settings(dump=str(dump), pictures=pictures)
    llm = {"endpoint": endpoint.url, "model": "stand-in"} if endpoint else {}
    recipe = DataRecipe.parse({"name": "qa", "llm": llm, "workers": 1}, where="benchmarks/qa.py")
    pipeline = decontaminated(qa.pipeline(settings), Decontamination())
    out = work / ("with-a-model" if endpoint else "rules")
    for folder in (out, out.with_name(out.name + ".work")):
        shutil.rmtree(folder, ignore_errors=True)
    started, before = time.monotonic(), cpu_s()
    facts = build(Order(recipe, [pipeline], [settings.model_dump_json()]), out)
    counts = facts["categories"]["qa"]
    assert counts["seen"] == counts["kept"] + counts["rejected"] + counts["failed"]
    if endpoint:
        assert max(endpoint.counts.values()) == 1
    return {
        "seconds": round(time.monotonic() - started, 1),
        "cpu_s": round(cpu_s() - before, 1),
        "asked": len(endpoint.calls) if endpoint else 0,
        **{name: counts[name] for name in ("seen", "kept", "rejected", "failed", "pictures", "licences", "funnel")},
    }


def cpu_s() -> float:
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_POSTS} posts")
    parser.add_argument("--work", type=Path, default=Path("/tmp/viscodex-qa"), help="where everything is built")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    posts = QUICK_POSTS if arguments.quick else POSTS
    dump = arguments.work / f"Posts-{posts}.xml"
    made = write_dump(dump, posts, pool=2000)
    write_pictures(arguments.work / "pictures")
    builds = {"by rules": run(arguments.work, dump, None)}
    with Endpoint(reply) as endpoint:
        builds["with a model"] = run(arguments.work, dump, endpoint)
    rows = [
        {"build": name, "stage": s["stage"], "seen": s["seen"], "kept": s["kept"]}
        | {what: ", ".join(f"{reason} {n}" for reason, n in s[what].items()) for what in ("rejected", "failed")}
        for name, facts in builds.items()
        for s in facts["funnel"]
    ]
    for name, facts in builds.items():
        print(name, {key: value for key, value in facts.items() if key != "funnel"})
    for row in rows:
        print(row)
    if not arguments.quick:
        notes = f"A generated dump of {made.counts['posts']} posts ({made.bytes / 1e6:.0f} MB). One worker process."
        result.write("qa", "50,000 posts through the qa pipeline", rows, notes, dump=dict(made.counts), builds=builds)


if __name__ == "__main__":
    main()
