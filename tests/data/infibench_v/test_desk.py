"""The desk: decisions and where they lead, two reviewers, the export, and who is let in."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from viscodex.core.errors import UsageError
from viscodex.data.infibench_v.agreement import cohens_kappa
from viscodex.data.infibench_v.decisions import NAME, Decisions
from viscodex.data.infibench_v.desk import Desk, RefusedError
from viscodex.data.infibench_v.export import export
from viscodex.eval.infibench import BENCHMARK
from viscodex.eval.infibench.gates import trial

TestClient = pytest.importorskip("fastapi.testclient", reason="pip install 'viscodex[serve]'").TestClient

BASH, R, RUBY, PANDAS = "ibv-bash-003", "ibv-r-002", "ibv-ruby-002", "ibv-python-004"


@pytest.fixture
def sit(queue):
    """`sit(name)`: a reviewer at the desk."""
    desks = []

    def sit(reviewer="ann"):
        desks.append(Desk(queue, reviewer, trial))
        return desks[-1]

    yield sit
    for desk in desks:
        desk.close()


def verdicts(desk):
    return {row["id"]: row["verdict"] for row in desk.overview()["queue"] if row["verdict"]}


def test_the_last_verdict_counts_and_a_new_start_knows_it(sit):
    desk = sit()
    desk.decide(BASH, "accept")
    desk.decide(R, "reject", "too easy")
    desk.decide(RUBY, "accept")
    desk.decide(RUBY, "undo")
    desk.decide(R, "accept")
    desk.decide(R, "reject", "outdated")
    assert verdicts(desk) == verdicts(sit()) == {BASH: "accept", R: "reject"}
    assert sit().candidate(R)["reason"] == "outdated"
    assert desk.overview()["categories"]["it-ops"] == {"accepted": 1, "wanted": 1}


def test_edits_are_kept_and_undo_leaves_them(sit):
    desk = sit()
    desk.decide(BASH, "edit", changes={"question": "Other words\n\n![image](0)"})
    desk.decide(BASH, "accept", changes={"language": "sh"})
    desk.decide(BASH, "undo")
    shown = sit().candidate(BASH)
    assert shown["record"]["question"].startswith("Other words") and shown["record"]["language"] == "sh"
    assert shown["original"] != shown["record"]["question"] and shown["verdict"] == ""


@pytest.mark.parametrize(
    ("kind", "reason", "changes", "problem"),
    [
        ("reject", " ", {}, "needs a reason"),
        ("accept", "", {"category": "cooking"}, "category"),
        ("accept", "", {"question": ""}, "question"),
        ("edit", "", {"source": {"url": "x"}}, "source cannot be changed"),
        ("edit", "", {"images": ["../secret"]}, "images cannot be changed"),
    ],
)
def test_what_cannot_be_decided(sit, kind, reason, changes, problem):
    desk = sit()
    with pytest.raises(RefusedError, match=problem):
        desk.decide(BASH, kind, reason, changes)
    assert verdicts(desk) == {}
    with pytest.raises(RefusedError, match="no candidate"):
        desk.decide("nobody", "accept")


def test_the_grading_is_tried_as_it_stands_and_the_decision_says_how_it_went(sit, queue):
    desk = sit()
    assert desk.try_out(BASH, {})["passes"]
    desk.decide(BASH, "accept")
    bad = {"grading": {"keywords": ["crontab"]}}
    found = desk.try_out(R, bad)
    assert not found["passes"] and {one["check"] for one in found["findings"]} == {"reference"}
    desk.decide(R, "accept", changes=bad)
    desk.decide(RUBY, "accept")
    broken = desk.try_out(PANDAS, {"grading": {"keywords": [{"content": {"content": "(", "regex": True}}]}})
    assert [one["check"] for one in broken["findings"]] == ["rejected"]
    with Decisions(queue / NAME) as decisions:
        assert [one.gates for one in decisions] == ["passed", "failed", ""]


def test_two_reviewers_do_not_see_each_other_and_agree_by_kappa(sit):
    ann, bob = sit("ann"), sit("bob")
    ids = list(ann.candidates)
    for place, name in enumerate(ids[:10]):
        ann.decide(name, "accept" if place < 6 else "reject", "no")
        bob.decide(name, "accept" if place < 5 or place == 9 else "reject", "no")
    ann.decide(ids[11], "accept")
    assert ids[11] not in verdicts(bob)
    (found,) = ann.agreement()
    assert found == {"reviewers": ("ann", "bob"), "both": 10, "agreed": 8, "kappa": pytest.approx(1 - 0.2 / 0.48)}


@pytest.mark.parametrize(
    ("pairs", "kappa"),
    [
        ("yy yy nn nn", 1.0),
        ("yn ny", -1.0),
        ("yy yn ny nn", 0.0),
        ("yy " * 20 + "yn " * 5 + "ny " * 10 + "nn " * 15, 0.4),  # the example of most textbooks
        ("yy yy", None),
        ("", None),
    ],
)
def test_cohens_kappa(pairs, kappa):
    found = cohens_kappa([(one[0], one[1]) for one in pairs.split()])
    assert found == (kappa if kappa is None else pytest.approx(kappa))


def test_what_is_exported(sit, queue, tmp_path):
    ann, bob = sit("ann"), sit("bob")
    ann.try_out(BASH, {})
    ann.decide(BASH, "accept")
    ann.decide(R, "accept", changes={"question": "How?\n\n![image](0)"})
    bob.decide(R, "accept", changes={"question": "How, then?\n\n![image](0)"})
    ann.decide(RUBY, "accept")
    bob.decide(RUBY, "reject", "too easy")
    ann.decide(PANDAS, "reject", "outdated")
    facts = export(queue, tmp_path / "suite")
    assert facts["accepted"] == 2
    assert facts["left_out"] == {"disagreed": 1, "rejected": 1, "not_judged": 8}
    assert facts["in_the_words_of_the_post"] == 1
    suite = BENCHMARK.load(tmp_path / "suite")
    assert [sample.id for sample in suite.samples] == [BASH, R] and not suite.rejected
    assert suite.samples[1].text.startswith("How, then?")
    assert "other words" in (tmp_path / "suite" / "ATTRIBUTION.md").read_text()
    log = [json.loads(line) for line in (tmp_path / "suite" / "decisions.jsonl").read_text().splitlines()]
    assert [row["kind"] for row in log] == ["accept"] * 4 + ["reject"] * 2
    gated = export(queue, tmp_path / "gated", gated=True)
    assert gated["accepted"] == 1 and gated["left_out"]["gates_not_passed"] == 1
    with pytest.raises(UsageError, match="not empty"):
        export(queue, tmp_path / "suite")


@pytest.fixture
def browser(sit):
    from viscodex.data.infibench_v.web import create_app

    return TestClient(create_app(sit()), base_url="http://127.0.0.1:7870")


def token(browser):
    return re.search(r'name="token" content="([^"]+)"', browser.get("/").text)[1]


def test_only_our_page_decides(browser):
    body = {"id": BASH, "kind": "accept"}
    assert browser.post("/api/decide", json=body).status_code == 403
    assert browser.post("/api/decide", json=body, headers={"x-desk-token": "guess"}).status_code == 403
    known = {"x-desk-token": token(browser)}
    assert browser.post("/api/decide", json=body, headers=known | {"host": "evil.example"}).status_code == 403
    assert browser.get("/", headers={"host": "evil.example:7870"}).status_code == 403
    assert browser.put("/api/decide", json=body, headers=known).status_code == 403
    assert browser.post("/api/decide", json=body, headers=known).status_code == 200
    form = browser.post(
        "/api/decide", content=b"id=x", headers=known | {"content-type": "application/x-www-form-urlencoded"}
    )
    assert form.status_code == 422
    assert browser.post("/api/decide", content=b"x" * 2_000_001, headers=known).status_code == 403


def test_the_page_loads_nothing_from_elsewhere_and_serves_nothing_else(browser):
    page = browser.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"(?:src|href)=\"(?!/static/)", page.text)
    assert browser.get("/static/desk.js").status_code == 200
    for path in (
        "/static/web.py",
        "/static/..%2Fweb.py",
        "/pictures/ibv-bash-003/9",
        "/pictures/..%2f..%2fetc/0",
        "/docs",
    ):
        assert browser.get(path).status_code in (404, 422), path
    assert browser.get(f"/pictures/{BASH}/0").content.startswith(b"\x89PNG")


def test_a_picture_outside_of_the_queue_is_not_shown(sit, queue):
    lines = (queue / "candidates.jsonl").read_text().splitlines()
    row = json.loads(lines[0])
    row["record"]["images"] = ["../secret.png"]
    (queue.parent / "secret.png").write_bytes(b"secret")
    (queue / "candidates.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(RefusedError, match="not there"):
        sit().picture(BASH, 0)


def test_a_reviewer_has_a_name_and_a_queue(queue, tmp_path):
    with pytest.raises(UsageError, match="has a name"):
        Desk(queue, "  ", trial)
    with pytest.raises(UsageError, match="no candidates"):
        Desk(tmp_path, "ann", trial)


def command(*words):
    return subprocess.run(
        [sys.executable, "-m", "viscodex", *map(str, words)], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_commands(sit, queue, tmp_path):
    desk = sit()
    desk.decide(BASH, "accept")
    desk.decide(R, "reject", "too easy")
    desk.close()
    done = command("data", "infibench-v", "export", queue, "--out", tmp_path / "suite")
    assert done.returncode == 0 and "1 of 12 candidates; left out: rejected 1, not_judged 10" in done.stdout
    done = command("data", "infibench-v", "gates", tmp_path / "suite")
    assert done.returncode == 0 and "1 questions, 0 findings" in done.stdout
    table = tmp_path / "suite" / "questions.jsonl"
    record = json.loads(table.read_text()) | {"wrong_answers": []}
    table.write_text(json.dumps(record) + "\n{}\n")
    done = command("data", "infibench-v", "gates", tmp_path / "suite", "--json")
    assert done.returncode == 1
    assert [one["check"] for one in json.loads(done.stdout)["findings"]] == ["wrong", "rejected"]
    done = command("data", "infibench-v", "review", tmp_path, "--reviewer", "ann")
    assert done.returncode == 2 and "no candidates here" in done.stderr
