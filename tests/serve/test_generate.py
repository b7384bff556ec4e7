"""`viscodex generate` and `viscodex refine` as they are typed: many pictures, endpoints, code that is run."""

from __future__ import annotations

import io
import json

import PIL.Image
import pytest

from tests.endpoint import Endpoint, Says, Status
from viscodex import cli
from viscodex.sandbox.browser import render_page
from viscodex.sandbox.pages import View

PAGE = "<!DOCTYPE html>\n<html>\n<body style='background:teal'>\n<h1>Apples</h1>\n</body>\n</html>"
OTHER = PAGE.replace("teal", "black").replace("Apples", "Pears and other fruit")
CHART = "import matplotlib.pyplot as plt\n\nplt.plot([1, 3, 2])\nplt.show()"


def fenced(code, language="html"):
    return f"Here:\n```{language}\n{code}\n```"


@pytest.fixture
def shot(tmp_path):
    path = tmp_path / "shot.png"
    path.write_bytes(render_page(PAGE, View(width=768, height=400)).png)
    return path


@pytest.fixture
def viscodex(capsys, monkeypatch, tmp_path):
    """`viscodex("generate", …)`: exit code, stdout and stderr; relative paths are below tmp_path."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        code = 0
        try:
            cli.main([str(word) for word in words])
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return run


def at(server):
    return ["--endpoint", server.url, "--model", "m"]


def test_an_endpoint_writes_the_page(viscodex, shot):
    with Endpoint(fenced(PAGE)) as server:
        code, out, err = viscodex("generate", shot, *at(server))
    assert (code, out) == (0, PAGE + "\n")
    assert server.calls[0].pictures == [shot.read_bytes()]
    assert "tokens in" in err


def test_an_endpoint_that_refuses(viscodex, shot):
    with Endpoint(lambda call: Status(401)) as server:
        code, out, err = viscodex("generate", shot, *at(server))
    assert (code, out) == (1, "")
    assert "the service answers 401" in err


def test_run_renders_the_page_and_keeps_its_picture(viscodex, shot, tmp_path):
    with Endpoint(fenced(PAGE)) as server:
        code, out, err = viscodex("generate", shot, *at(server), "--run")
        assert viscodex("generate", shot, *at(server), "--run", "--picture", "there.png")[0] == 0
    assert (code, out) == (0, PAGE + "\n")
    assert "similarity 1.000" in err
    assert PIL.Image.open(tmp_path / "shot.run.png").size == (768, 400)
    assert (tmp_path / "there.png").read_bytes() == (tmp_path / "shot.run.png").read_bytes()


def test_run_draws_a_chart(viscodex, shot, tmp_path):
    with Endpoint(fenced(CHART, "python")) as server:
        code, out, _ = viscodex("generate", shot, *at(server), "--kind", "chart", "--run", "--out", "chart.py")
    assert (code, out) == (0, "")
    assert (tmp_path / "chart.py").read_text() == CHART + "\n"
    assert PIL.Image.open(tmp_path / "chart.run.png").size == (640, 480)


def test_run_says_what_a_program_prints_or_why_it_fails(viscodex):
    words = ["generate", "--prompt", "Print it.", "--kind", "algorithm", "--run"]
    with Endpoint(fenced("print(6 * 7)", "python")) as server:
        code, out, err = viscodex(*words, *at(server))
        assert (code, out) == (0, "print(6 * 7)\n")
        assert "it printed:\n42" in err
        server.answer = lambda call: Says(fenced("print(1 / 0)", "python"))
        code, out, err = viscodex(*words, *at(server), "--seed", "1")
    assert (code, out) == (1, "print(1 / 0)\n")
    assert "the code does not run" in err


def test_the_best_of_n(viscodex, shot):
    answers = iter([fenced(OTHER), fenced(PAGE), "Sorry."])
    with Endpoint(lambda call: Says(next(answers))) as server:
        code, out, err = viscodex("generate", shot, *at(server), "--n", "3")
    assert (code, out) == (0, PAGE + "\n")
    assert "of 3 is taken" in err
    assert {call.body["temperature"] for call in server.calls} == {0.8}


def test_a_folder_of_pictures(viscodex, shot, tmp_path):
    """A file for each; a picture in a format of its own, two of one name, and one without an answer."""
    folder = tmp_path / "shots"
    (folder / "deeper").mkdir(parents=True)
    for name, size in (("a.png", (640, 400)), ("b.jpg", (1280, 720)), ("c.webp", (60, 60))):
        PIL.Image.new("RGB", size, "red").save(folder / name)
    (folder / "notes.txt").write_text("not a picture")
    answers = {1280: "No.", 60: fenced(CHART, "python"), 640: fenced(CHART, "python"), 768: fenced(PAGE)}
    kinds = {"a": "chart", "b": "html", "c": "chart"}

    def answer(call):
        return Says(answers[PIL.Image.open(io.BytesIO(call.pictures[0])).width])

    with Endpoint(answer) as server:
        code, out, err = viscodex("generate", folder, shot, folder / "a.png", *at(server), "--out", "written")
        assert (code, out) == (1, "")
        assert "b: the answer holds no code" in err and "1 of 5 pictures have no code" in err
        assert sorted(path.name for path in (tmp_path / "written").iterdir()) == ["a-2.py", "a.py", "c.py", "shot.html"]
        code, out, _ = viscodex("generate", folder, *at(server), "--json")
    found = json.loads(out)
    assert [one["sample_id"] for one in found] == ["a", "b", "c"]
    assert {one["sample_id"]: one["kind"] for one in found} == kinds


def test_names_that_come_again_never_meet_one_that_is_there(viscodex, shot, tmp_path):
    """Twice `a`, and a picture that is called as the second of them would be."""
    places = [tmp_path / "x" / "a.png", tmp_path / "y" / "a.png", tmp_path / "y" / "a-2.png", tmp_path / "z" / "a.png"]
    for place in places:
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(shot.read_bytes())
    with Endpoint(fenced(PAGE)) as server:
        assert viscodex("generate", *places, *at(server), "--kind", "html", "--out", "written")[0] == 0
    names = sorted(path.name for path in (tmp_path / "written").iterdir())
    assert names == ["a-2.html", "a-3.html", "a-4.html", "a.html"]


def test_code_that_does_not_run_is_kept_and_told_of(viscodex, shot, tmp_path):
    (tmp_path / "other.png").write_bytes(shot.read_bytes())
    words = ["generate", shot, "other.png", "--kind", "chart", "--out", "written", "--run"]
    with Endpoint(fenced("print(1 / 0)", "python")) as server:
        code, _, err = viscodex(*words, *at(server))
        assert viscodex(*words, *at(server), "--picture", "one.png")[0] == 2
    assert (code, "the code of 2 of 2 pictures does not run" in err, "shot: does not run: " in err) == (1, True, True)
    assert len(list((tmp_path / "written").glob("*.py"))) == 2


def test_a_folder_without_pictures(viscodex, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = viscodex("generate", "empty", "--model", "m")
    assert code == 1
    assert "no pictures in the folder" in err


def test_pictures_together(viscodex, shot):
    with Endpoint("A and B.") as server:
        code, out, _ = viscodex(
            "generate", shot, shot, *at(server), "--together", "--kind", "qa", "--prompt", "Differ how?"
        )
    assert (code, out) == (0, "A and B.\n")
    assert len(server.calls[0].pictures) == 2


def test_json_says_what_became_of_the_code(viscodex, shot):
    with Endpoint(fenced(PAGE)) as server:
        _, out, _ = viscodex("generate", shot, *at(server), "--json", "--run")
    found = json.loads(out)
    assert (found["code"], found["kind"]) == (PAGE, "html")
    assert found["run"] == {"status": "ok", "reason": "", "output": "", "similarity": 1.0}


def test_refine(viscodex, shot, tmp_path):
    answers = iter([fenced(OTHER), fenced(PAGE), fenced(OTHER)])
    with Endpoint(lambda call: Says(next(answers))) as server:
        words = ["refine", shot, *at(server), "--out", "refined", "--then", "Black, please."]
        code, out, err = viscodex(*words, "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["best"] == 2
    assert (tmp_path / facts["code"]).read_text() == OTHER + "\n"
    assert "round 1: ok, similarity 1.000  the best so far" in err
    assert "Black, please." in (tmp_path / facts["page"]).read_text()
    code, _, err = viscodex("refine", shot, "--model", "m", "--out", "refined")
    assert (code, "not empty" in err) == (2, True)
