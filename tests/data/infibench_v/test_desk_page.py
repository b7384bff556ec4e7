"""A browser at the desk: ten decisions by keyboard alone, a kill -9 in between, and markup in a post stays text."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from viscodex.data.infibench_v.decisions import NAME, Decisions
from viscodex.sandbox import chromium

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
pytest.importorskip("fastapi", reason="pip install 'viscodex[serve]'")
pytestmark = pytest.mark.slow


@contextmanager
def desk(queue, reviewer="ann"):
    """The command itself, killed at the end: nothing may depend on a clean one."""
    words = [sys.executable, "-m", "viscodex", "data", "infibench-v", "review", str(queue), "--reviewer", reviewer]
    process = subprocess.Popen([*words, "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().split(" at ")[1].partition(";")[0]
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def shell():
    with playwright.sync_playwright() as driver:
        shell = driver.chromium.launch(executable_path=chromium.find().path, args=["--no-sandbox", "--disable-gpu"])
        yield shell
        shell.close()


class Keyboard:
    """A page at which only keys are used."""

    def __init__(self, shell, url):
        self.page = shell.new_page(viewport={"width": 1400, "height": 950})
        self.faults = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda line: self.faults.append(line.text) if line.type == "error" else None)
        self.page.goto(url)
        self.page.wait_for_selector("#name:not(:empty)")

    def press(self, *keys, says=""):
        for key in keys:
            self.page.keyboard.press(key)
        if says:
            playwright.expect(self.page.locator("#said")).to_contain_text(says, timeout=60_000)

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def at(self):
        return self.text("#name")


def kinds(queue):
    with Decisions(queue / NAME) as decisions:
        return [(one.candidate, one.kind, one.reason) for one in decisions]


def test_ten_decisions_by_keyboard_survive_a_kill(queue, shell, tmp_path):
    ids = [json.loads(line)["record"]["id"] for line in (queue / "candidates.jsonl").read_text().splitlines()]
    with desk(queue) as url:
        hands = Keyboard(shell, url)
        assert hands.at() == ids[0] and hands.page.locator("#question img").count() == 1
        hands.press("g", says="the gates are passed")
        assert "reference" in hands.text("#trial") and "1.00" in hands.text("#trial")
        hands.page.screenshot(path=tmp_path / "desk.png")
        hands.press("a", says=f"accepted {ids[0]}")
        hands.press("r")
        hands.press("1", "Enter", says=f"rejected {ids[1]}")
        hands.press("p", says="saved")
        assert "Put differently" in hands.text("#question")
        hands.press("a", says=f"accepted {ids[2]}")
        hands.press("e", "Control+a")
        hands.page.keyboard.insert_text("{ no JSON")
        hands.press("Control+Enter", says="not JSON")
        hands.press("Control+a")
        hands.page.keyboard.insert_text('{"keywords": ["crates", "depot"]}')
        hands.press("Control+Enter", says="saved")
        hands.press("r")
        hands.page.keyboard.insert_text("the picture says it twice")
        hands.press("Enter", says=f"rejected {ids[3]}")
        assert hands.at() == ids[4]
        assert hands.faults == []
    expected = [
        (ids[0], "accept", ""),
        (ids[1], "reject", "picture not needed"),
        (ids[2], "edit", ""),
        (ids[2], "accept", ""),
        (ids[3], "edit", ""),
        (ids[3], "reject", "the picture says it twice"),
    ]
    assert kinds(queue) == expected
    with desk(queue) as url:
        hands = Keyboard(shell, url)
        assert hands.at() == ids[4] and "4 judged" in hands.text("#place")
        hands.press("a", says=f"accepted {ids[4]}")
        hands.press("j", "k", "k")
        playwright.expect(hands.page.locator("#name")).to_have_text(ids[4])
        hands.press("u", says="taken back")
        hands.press("n")
        playwright.expect(hands.page.locator("#name")).to_have_text(ids[5])
        hands.press("w", "Control+End")
        hands.page.keyboard.insert_text("\nAnd nothing else.")
        hands.press("Escape", "j")  # going on keeps what was written
        playwright.expect(hands.page.locator("#name")).to_have_text(ids[6])
        hands.press("a", says=f"accepted {ids[6]}")
        hands.press("r", "Escape", "a", says=f"accepted {ids[7]}")
        assert hands.faults == []
    expected += [
        (ids[4], "accept", ""),
        (ids[4], "undo", ""),
        (ids[5], "edit", ""),
        (ids[6], "accept", ""),
        (ids[7], "accept", ""),
    ]
    assert kinds(queue) == expected
    with desk(queue, "bob") as url:
        hands = Keyboard(shell, url)
        assert hands.at() == ids[0] and "0 judged" in hands.text("#place")
        hands.press("a", says=f"accepted {ids[0]}")
        hands.press("a", says=f"accepted {ids[1]}")
        assert "1 of 2 alike" in hands.text("#agreement")


def test_markup_in_a_post_stays_text(queue, shell):
    lines = (queue / "candidates.jsonl").read_text().splitlines()
    row = json.loads(lines[0])
    nasty = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    row["record"] |= {"question": f"{nasty}\n\n![image](0)\n\n```\n{nasty}\n```", "reference_answer": nasty}
    row |= {"paraphrase": f"{nasty} ![image](0)", "needed": nasty}
    (queue / "candidates.jsonl").write_text("\n".join([json.dumps(row), *lines[1:]]) + "\n")
    with desk(queue) as url:
        hands = Keyboard(shell, url)
        assert "onerror" in hands.text("#question") and "onerror" in hands.text("#answer")
        assert hands.page.locator("#question img").count() == 1
        assert hands.page.title() == "Review desk" and hands.faults == []


def test_code_spans_are_shown_as_code(queue, shell, tmp_path):
    lines = (queue / "candidates.jsonl").read_text().splitlines()
    row = json.loads(lines[0])
    prose = "Why does `<b>x</b>` fail, and ``a ` b`` and ``` `c` ``` not?\nIt is `two\nlines` long.\n\n![image](0)\n\n"
    question = f"{prose}A `lonely tick.\n\nAnother one, and ``unlike`.\n\n```\nx = `in a block`\n```"
    row["record"] |= {"question": question, "reference_answer": "`<img src=x onerror=alert(1)>` and no code"}
    (queue / "candidates.jsonl").write_text("\n".join([json.dumps(row), *lines[1:]]) + "\n")
    with desk(queue) as url:
        hands = Keyboard(shell, url)
        hands.page.screenshot(path=tmp_path / "spans.png")
        spans = hands.page.locator("#question p code")
        assert spans.all_text_contents() == ["<b>x</b>", "a ` b", "`c`", "two lines"]
        first, second = hands.page.locator("#question p").all_text_contents()
        assert first == "Why does <b>x</b> fail, and a ` b and `c` not?\nIt is two lines long."
        assert second == "A `lonely tick.\n\nAnother one, and ``unlike`."
        assert hands.page.locator("#question pre").all_text_contents() == ["x = `in a block`"]
        assert hands.page.locator("#answer code").all_text_contents() == ["<img src=x onerror=alert(1)>"]
        assert hands.page.locator("#answer img").count() == 0
        assert hands.page.locator("#edit-question").input_value() == question  # what is edited stays Markdown
        assert hands.faults == []
