"""A dump of 50,000 posts through the funnel of InfiBench-V, with the scripted model on a loopback, killed and not."""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import result

sys.path.insert(0, str(Path(__file__).parents[1]))

from suites.infibench_v.make import records
from tests.data import stackexchange as se

POSTS, QUICK_POSTS = 50_000, 3_000
FIRST = 10_000_000
TAGS = {
    "front-end": ("<css><html>", "css"),
    "ds-ml": ("<matplotlib><pandas>", "py"),
    "back-end": ("<php><mysql>", "php"),
    "mobile-desktop": ("<c#><winforms>", "cs"),
    "it-ops": ("<docker><nginx>", "sh"),
}
PLANTED, ALIKE, LEAKED = 60, 25, 10
KILLS = 3


def write(path: Path, posts: int) -> tuple[Counter[str], Counter[str]]:
    """The generated dump, and what is planted at its end: all categories, questions asked twice, our own questions."""
    made = se.write_dump(path, posts, pool=2000)
    planted: Counter[str] = Counter()
    with path.open("r+b") as file:
        file.seek(-len(b"</posts>\n"), os.SEEK_END)
        for kind, rows in plant():
            planted[kind] += 1
            file.writelines(rows)
        file.write(b"</posts>\n")
    return made.counts, planted


def plant() -> Iterator[tuple[str, list[bytes]]]:
    rng, number = random.Random("planted"), FIRST
    for category, (tags, language) in TAGS.items():
        for _ in range(PLANTED):
            yield category, thread(number, post(rng), tags, language)
            number += 10
    for _ in range(ALIKE):
        twice = post(rng)
        yield "asked first", thread(number, twice, *TAGS["ds-ml"])
        yield "asked again", thread(number + 10, twice + "<p>Please help!</p>", *TAGS["ds-ml"])
        number += 20
    for record in list(records())[:LEAKED]:
        image = '<p><img src="https://i.sstatic.net/' + se.picture_name(number % 200) + '"></p>'
        text = record.question.replace("![image](0)", "").replace("<", "&lt;")
        yield "our own", thread(number, f"{image}<p>As shown: {text}</p>", *TAGS["back-end"])
        number += 10


def post(rng: random.Random) -> str:
    return se.make_body(rng, pictures=1, code=0).html + f"<p>{words(rng)}</p>"


def words(rng: random.Random) -> str:
    return " ".join("".join(rng.choices("abdegiklmnoprstuv", k=rng.randint(4, 8))) for _ in range(60))


def thread(number: int, body: str, tags: str, language: str) -> list[bytes]:
    code = f'<p>Do this.</p><pre class="lang-{language}"><code>fix_{number}.apply(part_{number})\n</code></pre>'
    day = "2021-02-03T04:05:06.007"
    shared = {"CreationDate": day, "OwnerUserId": number % 997, "ContentLicense": "CC BY-SA 4.0"}
    asked = {"Score": 9, "ViewCount": 2000 + number % 7919, "Title": f"Question {number}", "Tags": tags}
    return [
        se.row(Id=number, PostTypeId=1, AcceptedAnswerId=number + 1, Body=body, **shared, **asked),
        se.row(Id=number + 1, PostTypeId=2, ParentId=number, Score=6, Body=code, **shared),
    ]


def command(work: Path, dump: Path, out: str) -> list[str]:
    words_ = ["data", "infibench-v", "build", "--dump", str(dump), "--pictures", str(work / "pictures")]
    words_ += f"--endpoint scripted --workers 1 --out {work / out} --set pictures.cache={work / 'cache'}".split()
    return [sys.executable, "-m", "viscodex", "--quiet", *words_]


def cleared(work: Path, out: str) -> None:
    for folder in (work / out, work / f"{out}.work", work / f"{out}.partial"):
        shutil.rmtree(folder, ignore_errors=True)


def whole(work: Path, dump: Path) -> tuple[dict[str, Any], float, float]:
    """A build that nobody disturbs; seconds, and seconds of CPU."""
    cleared(work, "whole")
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command(work, dump, "whole"), check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads((work / "whole" / "funnel.json").read_text()), time.monotonic() - began, cpu


def killed(work: Path, dump: Path, seconds: float) -> list[float]:
    """The same with kill -9 at moments by lot; when."""
    cleared(work, "killed")
    moments, lot = [], random.Random(5)
    for _ in range(KILLS):
        process = subprocess.Popen(command(work, dump, "killed"), stdout=subprocess.DEVNULL, start_new_session=True)
        moments.append(round(lot.uniform(0.2, 0.9) * seconds, 1))
        time.sleep(moments[-1])
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(command(work, dump, "killed"), check=True, stdout=subprocess.DEVNULL)
    for name in ("candidates.jsonl", "rejected.jsonl"):
        assert (work / "whole" / name).read_bytes() == (work / "killed" / name).read_bytes(), name
    return moments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_POSTS} posts")
    parser.add_argument("--work", type=Path, default=Path("/tmp/viscodex-infibench-v"), help="where it is built")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    posts = QUICK_POSTS if arguments.quick else POSTS
    dump = arguments.work / f"Posts-{posts}.xml"
    made, planted = write(dump, posts)
    se.write_pictures(arguments.work / "pictures")
    facts, seconds, cpu = whole(arguments.work, dump)
    moments = killed(arguments.work, dump, seconds)
    rows = [
        {"stage": step["stage"], "judged by": step["how"], "seen": step["seen"], "kept": step["kept"]}
        | {"rejected": ", ".join(f"{why} {n}" for why, n in (step["rejected"] | step["failed"]).items())}
        for step in facts["funnel"]
    ]
    for row in rows:
        print(row)
    print(facts["categories"], facts["missing"], f"{seconds:.1f} s, {cpu:.1f} s of CPU; killed after {moments}")
    if not arguments.quick:
        count, size = sum(made[kind] for kind in ("questions", "answers", "other")), dump.stat().st_size / 1e6
        notes = (
            f"A generated dump of {count:,} posts with {sum(planted.values())} planted threads ({size:.0f} MB), one "
            f"worker process, the scripted model on a loopback port: {seconds:.0f} s, {cpu:.0f} s of CPU. Killed "
            f"(kill -9) after {', '.join(map(str, moments))} s and started again, it wrote the same candidates and "
            "rejections, byte for byte."
        )
        more = {"dump": dict(made), "planted": dict(planted), "funnel": facts, "killed_after_s": moments}
        result.write("infibench_v", "50,000 posts through the funnel of InfiBench-V", rows, notes, **more)


if __name__ == "__main__":
    main()
