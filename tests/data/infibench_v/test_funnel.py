"""The funnel: one post per reason, what a model says, balance, and kill -9."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from suites.infibench_v.make import records
from tests.data.infibench_v.conftest import thread, words
from tests.endpoint import Endpoint, Says

from viscodex.core.errors import UsageError
from viscodex.core.infibench_v import CATEGORIES, SHARES
from viscodex.data.infibench_v.balance import balance, targets
from viscodex.data.infibench_v.build import build
from viscodex.data.infibench_v.paraphrase import why_not
from viscodex.data.infibench_v.proposal import propose
from viscodex.data.infibench_v.topics import category_of, language_of

OURS = next(record.question for record in records() if record.id == "ibv-java-001")
SLOTTED = "Look at ![image](0) first"


def rows(folder, name):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


GIVEN = "<pre><code>frame.pivot(by=a)</code></pre>"
BAD = {
    "few_views": {"ViewCount": 10},
    "low_score": {"Score": 1},
    "low_answer_score": {"AnswerScore": 0},
    "no_code": {"answered": "<p>Just restart it, then wait until the light is green and try the same thing again.</p>"},
    "other_language": {"Tags": "<haskell>", "answered": '<pre class="lang-hs"><code>main = print (1 + 1)</code></pre>'},
    "no_category": {"Tags": "<sympy>", "answered": '<pre class="lang-py"><code>print(solve(thing))</code></pre>'},
    "slot_in_text": {"asked": SLOTTED},
    "answer_in_question": {"asked": f"I tried</p>{GIVEN}<p>so", "answered": GIVEN},
    "picture_missing": {"shown": 99999},
    "near_duplicate": {"asked": words(1000)},
    "near_duplicate_picture": {"asked": words(1000, 26) + " " + words(7, 14), "shown": 1000},
    "in_infibench_text": {"asked": "This happens when I run my program: " + OURS.split("\n\n")[-1]},
    "picture_not_needed": {"asked": "There is nothing to see, all of it is said in words"},
}  # fmt: skip


def test_every_reason_is_said_and_nothing_is_lost(recipe, tmp_path):
    posts = thread(1000)
    for place, more in enumerate(BAD.values(), 1):
        posts += thread(1000 + 10 * place, **more)
    posts.append(b"  <row broken\n")
    needed = "There is nothing to see"
    with Endpoint(lambda call: Says(json.dumps({"needed": needed not in call.text, "reason": "so"}))) as endpoint:
        llm = {"endpoint": endpoint.url, "model": "stand-in"}
        facts = build(recipe(*posts, llm=llm, paraphrase=False), tmp_path / "out")
    found = {row["id"]: row["reason"] for row in rows(tmp_path / "out", "rejected.jsonl")}
    for place, reason in enumerate(BAD, 1):
        assert found.pop(f"qa-stackoverflow-{1000 + 10 * place}") == reason
    assert list(found.values()) == ["malformed_row"]
    (kept,) = rows(tmp_path / "out", "candidates.jsonl")
    assert kept["record"]["id"] == "qa-stackoverflow-1000"
    assert facts["seen"] == 15 and facts["candidates"] == 1
    for before, after in zip(facts["funnel"], facts["funnel"][1:], strict=False):
        assert after["seen"] == before["kept"]
        assert before["seen"] == before["kept"] + sum(before["rejected"].values()) + sum(before["failed"].values())


def test_a_candidate_is_a_record_with_its_pictures_and_whose_it_is(recipe, tmp_path):
    build(recipe(*thread(1000)), tmp_path / "out")
    (kept,) = rows(tmp_path / "out", "candidates.jsonl")
    record = kept["record"]
    assert record["question"].count("![image](0)") == 1 and "Title 1000" in record["question"]
    assert (tmp_path / "out" / record["images"][0]).read_bytes().startswith(b"\x89PNG")
    assert (record["category"], record["language"]) == ("ds-ml", "python")
    assert record["source"]["license"] == "CC BY-SA 4.0 and CC BY-SA 3.0"
    assert record["grading"] == {"keywords": ["solve_1000.by_calling", "thing_1000"], "judge": {"notes": ""}}
    assert "https://stackoverflow.com/q/1000" in (tmp_path / "out" / "ATTRIBUTION.md").read_text()


def test_the_same_folder_is_the_same_build(recipe, tmp_path):
    first = build(recipe(*thread(1000)), tmp_path / "out")
    assert build(recipe(*thread(1000), workers=2), tmp_path / "out") == first
    with pytest.raises(UsageError, match="another build"):
        build(recipe(*thread(1000), least_views=3), tmp_path / "out")


ASKED = "A words ![image](0) more\n\n```py\nx = 1\n```\n\n![image](1) end"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Other words ![image](0) here\n\n```py\nx = 1\n```\n\n![image](1) fin", ""),
        ("", "nothing is said anew"),
        (ASKED.upper().replace("![IMAGE]", "![image]"), "nothing is said anew"),
        (
            "Other words ![image](1) here\n\n```py\nx = 1\n```\n\n![image](0) fin",
            "the pictures are not in their places",
        ),
        ("Other words ![image](0) here\n\n```py\nx = 2\n```\n\n![image](1) fin", "the code is not the same"),
        ("Other ![image](0)![image](1)```", "the code is not the same"),
        ("so " * 99 + "![image](0)\n```py\nx = 1\n```\n![image](1)", "characters"),
    ],
)
def test_what_is_wrong_with_other_words(text, problem):
    found = why_not(ASKED, text)
    assert problem in found if problem else found == ""


def test_other_words_are_proposed_and_bad_ones_reject_nothing(recipe, tmp_path):
    def say(call):
        if "QUESTION BEGINS" not in call.text or "in other words" not in call.text:
            return Says(json.dumps({"needed": True, "reason": "so"}))
        text = call.text.partition("QUESTION BEGINS\n")[2].rpartition("\nQUESTION ENDS")[0]
        return Says("no" if "Title 1010" in call.text else f"Said anew: {text}")

    with Endpoint(say) as endpoint:
        llm = {"endpoint": endpoint.url, "model": "stand-in"}
        build(recipe(*thread(1000), *thread(1010), llm=llm), tmp_path / "out")
        assert max(endpoint.counts.values()) == 1 and len(endpoint.calls) == 4
    found = {row["record"]["id"][-4:]: row for row in rows(tmp_path / "out", "candidates.jsonl")}
    assert found["1000"]["paraphrase"].startswith("Said anew: Title 1000")
    assert found["1010"]["paraphrase_problem"] == "the pictures are not in their places"


def test_categories_get_their_shares(recipe, tmp_path):
    tags = {
        "front-end": "<css>",
        "ds-ml": "<pandas>",
        "back-end": "<php>",
        "mobile-desktop": "<winforms>",
        "it-ops": "<nginx>",
    }
    codes = {"front-end": "css", "back-end": "php", "mobile-desktop": "cs"}
    posts, number = [], 10
    for category, tag in tags.items():
        for _ in range(6 if category != "it-ops" else 1):
            mark = f'class="lang-{codes.get(category, "py")}"'
            code = f"<pre {mark}><code>name_{number} {{ thing-{number}: 1 }}</code></pre>"
            posts += thread(number, Tags=tag, answered=code)
            number += 10
    shares = dict(zip(CATEGORIES, (0.3, 0.3, 0.2, 0.1, 0.1), strict=True))
    facts = build(recipe(*posts, size=10, queue=1.5, shares=shares), tmp_path / "out")
    assert facts["wanted"] == {"front-end": 3, "ds-ml": 3, "back-end": 2, "mobile-desktop": 1, "it-ops": 1}
    assert facts["categories"] == {"front-end": 5, "ds-ml": 5, "back-end": 3, "mobile-desktop": 2, "it-ops": 1}
    full = [row for row in rows(tmp_path / "out", "rejected.jsonl") if row["reason"] == "category_full"]
    assert Counter(row["detail"] for row in full) == {"mobile-desktop": 4, "back-end": 3, "front-end": 1, "ds-ml": 1}
    kept = rows(tmp_path / "out", "candidates.jsonl")
    views = [row["facts"]["views"] for row in kept if row["record"]["category"] == "ds-ml"]
    assert views == sorted(views, reverse=True)


def test_targets_are_the_papers_shares():
    assert targets(322, SHARES) == {"front-end": 100, "ds-ml": 96, "back-end": 74, "mobile-desktop": 42, "it-ops": 10}
    assert sum(targets(7, SHARES).values()) == 7
    assert balance([], 10, SHARES, 2).missing == targets(10, SHARES)
    assert tuple(targets(1, SHARES)) == CATEGORIES


@pytest.mark.parametrize(
    ("tags", "category"),
    [
        ("python", "back-end"),
        ("python pandas", "ds-ml"),
        ("docker python", "it-ops"),
        ("javascript css php", "front-end"),
    ],
)
def test_the_category_is_that_of_most_tags(tags, category):
    assert category_of(tags.split()) == category


def test_the_language_is_that_of_the_code():
    assert language_of("css", ["python"]) == "html/css"
    assert language_of("", ["sympy", "c++"]) == "c++"
    assert language_of("", ["sympy"]) == ""


def test_a_proposed_grading_names_what_the_question_does_not():
    found = propose(
        "Why does `plot` fail?", "Use this:\n\n```python\nplot(x)\naxis.set_visible(False)  # 'quoted_word'\n```"
    )
    assert found["keywords"] == ["axis.set_visible"]
    assert propose("all", "no code") == {"judge": {"notes": ""}}


@pytest.mark.slow
def test_a_killed_build_goes_on_where_it_was(recipe, tmp_path):
    posts = [row for number in range(10, 900, 10) for row in thread(number)]
    made = recipe(*posts)
    words_ = ["data", "infibench-v", "build", "--dump", made.dump, "--pictures", made.pictures.folder, "--workers", "1"]

    def command(out, url):
        model = ["--endpoint", url, "--model", "stand-in", "--set", "llm.quota.in_flight=2"]
        return [sys.executable, "-m", "viscodex", "--quiet", *words_, *model, "--out", str(tmp_path / out)]

    def say(call):
        time.sleep(0.01)
        if "in other words" in call.text:
            return Says("Anew: " + call.text.partition("QUESTION BEGINS\n")[2].rpartition("\nQUESTION ENDS")[0])
        return Says(json.dumps({"needed": sum(call.text.encode()) % 3 > 0, "reason": "so"}))

    with Endpoint(say) as endpoint:
        began = time.monotonic()
        subprocess.run(command("whole", endpoint.url), check=True, capture_output=True)
        seconds, calls = time.monotonic() - began, len(endpoint.calls)
    moments = random.Random(3)
    with Endpoint(say) as endpoint:
        for _ in range(3):
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            process = subprocess.Popen(command("killed", endpoint.url), start_new_session=True, **quiet)
            time.sleep(moments.uniform(0.3, 0.8) * seconds)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        subprocess.run(command("killed", endpoint.url), check=True, capture_output=True)
        assert len(endpoint.calls) <= calls + 3 * 4  # only what was in flight may be asked again
    for name in ("candidates.jsonl", "rejected.jsonl"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()
    funnels = [json.loads((tmp_path / out / "funnel.json").read_text())["funnel"] for out in ("whole", "killed")]
    assert [{**step, "seconds": 0} for step in funnels[0]] == [{**step, "seconds": 0} for step in funnels[1]]
