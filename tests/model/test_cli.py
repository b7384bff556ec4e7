"""`viscodex tiny` and `viscodex generate`, as they are typed: only code on stdout, remarks on stderr, exit codes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from viscodex import cli
from viscodex.core.sample import Image, Sample
from viscodex.model.prompts import task
from viscodex.model.tiny_families import FAMILIES

PAGE = "<!DOCTYPE html>\n<html>\n<body>\n<p>Some text.</p>\n</body>\n</html>"
PROGRAM = "import numpy as np\n\nprint(np.pi)"
ANSWERS = {
    "html": f"Here is the page.\n```html\n{PAGE}\n```\nIt has one paragraph.",
    "algorithm": f"First:\n```python\nimport os\n```\nThen:\n```python\n{PROGRAM}\n```",
}


@pytest.fixture(scope="module")
def picture(noise, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "page.png"
    noise(0).save(path)
    return path


@pytest.fixture(scope="module")
def model(taught, picture) -> Any:
    """`model(kind)`: a tiny VLM that answers the packaged prompt for `picture` with ANSWERS[kind]."""

    def of(kind: Any) -> Path:
        sample = task(kind, [Image(path=str(picture))])
        return taught(Sample(id="s", kind=kind, prompt=sample.prompt, response=ANSWERS[kind]))

    return of


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command, in this process."""
    code = 0
    try:
        cli.main([str(word) for word in words])
    except SystemExit as end:
        code = int(end.code or 0)
    return code, *capsys.readouterr()


def test_stdout_holds_the_page_and_nothing_else(capsys, model, picture):
    code, out, err = run(capsys, "generate", picture, "--model", model("html"))
    assert (code, out) == (0, PAGE + "\n")
    assert "tokens in" in err


def test_stdout_holds_the_longest_program(capsys, model, picture):
    code, out, _ = run(capsys, "generate", picture, "--model", model("algorithm"), "--kind", "algorithm")
    assert (code, out) == (0, PROGRAM + "\n")


def test_on_a_terminal_a_later_program_is_shown_after_a_remark(capsys, monkeypatch, model, picture):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    code, out, err = run(capsys, "generate", picture, "--model", model("algorithm"), "--kind", "algorithm")
    assert (code, out) == (0, f"import os{PROGRAM}\n")
    assert "a later program is longer" in err


def test_raw_shows_the_whole_answer(capsys, model, picture):
    code, out, _ = run(capsys, "generate", picture, "--model", model("html"), "--raw")
    assert (code, out) == (0, ANSWERS["html"] + "\n")


def test_json(capsys, model, picture):
    code, out, _ = run(capsys, "generate", picture, "--model", model("html"), "--json")
    answer = json.loads(out)
    assert code == 0
    assert (answer["text"], answer["code"], answer["finish"]) == (ANSWERS["html"], PAGE, "stop")
    assert answer["sample_id"] == "page"


@pytest.mark.parametrize(("flag", "content"), [("", PAGE + "\n"), ("--raw", ANSWERS["html"] + "\n")])
def test_out_writes_a_file_and_leaves_stdout_empty(capsys, model, picture, tmp_path, flag, content):
    words = ["generate", picture, "--model", model("html"), "--out", tmp_path / "page.html", *filter(None, [flag])]
    code, out, err = run(capsys, *words)
    assert (code, out) == (0, "")
    assert "written to" in err
    assert (tmp_path / "page.html").read_text() == content


def test_a_picture_from_stdin(capsys, monkeypatch, model, picture):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(picture.read_bytes())))
    code, out, _ = run(capsys, "generate", "-", "--model", model("html"))
    assert (code, out) == (0, PAGE + "\n")


def test_a_cut_answer_is_shown_and_remarked(capsys, model, picture):
    code, out, err = run(capsys, "generate", picture, "--model", model("html"), "--max-new-tokens", "40")
    assert code == 0
    assert PAGE.startswith(out.rstrip("\n"))
    assert out.strip()
    assert "cut after 40 tokens" in err


def test_an_answer_without_code_exits_1(capsys, tiny, picture):
    code, out, err = run(capsys, "generate", picture, "--model", tiny().vlm, "--max-new-tokens", "8")
    assert (code, out) == (1, "")
    assert "the answer holds no code" in err


def test_quiet(capsys, model, picture):
    code, out, err = run(capsys, "generate", picture, "--model", model("html"), "--quiet")
    assert (code, out, err) == (0, PAGE + "\n", "")


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["BAD"], 1, "not a readable picture"),
        (["none.png"], 1, "cannot read the picture"),
        (["PICTURE", "--kind", "htm"], 2, 'did you mean "html"?'),
        (["PICTURE", "PICTURE"], 2, "2 pictures, and stdout holds one answer"),
        (["PICTURE", "PICTURE", "--together"], 2, "is about one picture, and 2 are given"),
        (["PICTURE", "--n", "2", "--temperature", "0"], 2, "greedy answers are all the same"),
        (["PICTURE", "--endpoint", "nowhere"], 2, "an http(s) address"),
        ([], 2, "neither a picture nor a prompt"),
        (["-", "-", "--kind", "qa"], 2, "stdin holds one picture"),
        (["PICTURE", "--temperature", "-1"], 2, "--temperature"),
        (["PICTURE", "--model", "nowhere"], 1, "config.json is missing"),
    ],
)
def test_what_is_wrong_is_said(capsys, tiny, picture, tmp_path, words, code, problem):
    (tmp_path / "bad.png").write_bytes(picture.read_bytes()[:300])
    places = {"PICTURE": str(picture), "BAD": str(tmp_path / "bad.png")}
    words = [places.get(word, word) for word in words]
    found, out, err = run(capsys, "generate", "--model", str(tiny().vlm), *words)
    assert (found, out) == (code, "")
    assert problem in err
    assert "Traceback" not in err


def test_a_text_question_for_a_text_model(capsys, tiny):
    words = ["--prompt", "Sum two numbers.", "--kind", "qa", "--max-new-tokens", "8"]
    code, out, _ = run(capsys, "generate", *words, "--model", tiny().code)
    assert code == 0
    assert out.strip()


def test_as_a_process(model, picture):
    """The whole way, with bytes: nothing but the page on stdout."""
    words = [sys.executable, "-m", "viscodex", "generate", str(picture), "--model", str(model("html"))]
    done = subprocess.run(words, capture_output=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert (done.returncode, done.stdout.decode()) == (0, PAGE + "\n")
    assert done.stderr.decode().startswith("loading ")


def test_large_pictures_can_be_scaled_down(capsys, tiny, picture):
    words = ["generate", picture, "--model", tiny().vlm, "--max-new-tokens", "1", "--json", "--kind", "qa"]
    _, whole, _ = run(capsys, *words)
    code, small, _ = run(capsys, *words, "--max-pixels", "3136")
    tokens = [json.loads(out)["usage"]["prompt_tokens"] for out in (whole, small)]
    assert code == 0
    assert tokens[0] - tokens[1] == 12 - 2  # 84 × 112 pixels are 3 × 4 tokens; at 28 × 56 they are 1 × 2


def test_light_rooms_do_not_load_torch():
    light = "viscodex.cli, viscodex.model.prompts, viscodex.model.live, viscodex.model.standins"
    check = f"import sys, {light}; sys.exit(bool({{'torch', 'transformers', 'numpy'}} & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", check], env=environment).returncode == 0


def test_tiny(capsys, tmp_path):
    code, out, _ = run(capsys, "tiny", tmp_path / "trio", "--family", "qwen3_vl", "--tied", "--shards", "1")
    assert code == 0
    assert out.split() == [str(tmp_path / "trio" / role) for role in ("vlm", "code", "base")]
    assert json.loads((tmp_path / "trio" / "vlm" / "config.json").read_text())["model_type"] == "qwen3_vl"
    code, _, err = run(capsys, "tiny", tmp_path / "trio")
    assert code == 2
    assert "not empty" in err


def test_tiny_names_every_family(capsys):
    _, out, _ = run(capsys, "tiny", "--help")
    assert all(family in " ".join(out.replace("│", " ").split()) for family in FAMILIES)
