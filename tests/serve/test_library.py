"""viscodex from Python, and the measuring of servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import viscodex
from tests.endpoint import Endpoint, Says, Status
from viscodex import cli
from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Image
from viscodex.serve.bench import Timing, row

from .conftest import png

PAGE = "<html>\n<p>1</p>\n</html>"


def test_load_and_generate(tiny, tmp_path):
    (tmp_path / "shot.png").write_bytes(png())
    with viscodex.load(tiny().vlm) as model:
        answers = [
            model.generate(picture, kind="html", max_new_tokens=8).text
            for picture in (tmp_path / "shot.png", str(tmp_path / "shot.png"), png(), Image(data=png()), [png()])
        ]
        assert len(set(answers)) == 1
        assert "".join(model.stream(png(), kind="html", max_new_tokens=8)) == answers[0]
        assert model.name == "local/vlm"


def test_a_model_behind_a_url():
    with Endpoint(f"```html\n{PAGE}\n```") as server, viscodex.load("m", endpoint=server.url) as model:
        assert model.generate(png(), kind="html").code == PAGE
        assert model.generate(prompt="Say 1.").code == PAGE
        assert model.write(png(), kind="html", runs=True).chosen.outcome.status == "ok"
        server.answer = lambda call: Status(400)
        with pytest.raises(VisCodexError, match="the service answers 400"):
            model.generate(png(1), kind="html")
        with pytest.raises(VisCodexError, match="neither a picture nor a prompt"):
            model.generate()


def test_importing_viscodex_is_light():
    check = "import sys, viscodex; sys.exit(bool({'torch', 'pydantic', 'numpy'} & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", check], env=environment).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        _ = viscodex.laod


def test_a_row_of_measurements():
    timings = [Timing(0.1 * n, 1.0 + 0.1 * n, 11) for n in range(1, 11)] + [Timing(error="no")]
    found = row(4, timings, 5.0)
    assert (found["at a time"], found["requests"], found["errors"]) == (4, 11, 1)
    assert found["first text (s), p50"] == pytest.approx(0.55)
    assert found["per token (s), p99"] == pytest.approx(0.1)
    assert (found["requests/s"], found["tokens/s"]) == (2.0, 22.0)
    assert row(1, [Timing(error="no")], 1.0)["whole answer (s), p95"] is None


def bench(capsys, *words):
    code = 0
    try:
        cli.main(["bench-serve", *map(str, words)])
    except SystemExit as end:
        code = int(end.code or 0)
    return code, *capsys.readouterr()


def test_a_server_is_measured(capsys, served, tmp_path):
    (tmp_path / "shot.png").write_bytes(png())
    words = [served.url, "--image", tmp_path / "shot.png", "--at-a-time", "1,2", "--requests", "4", "--tokens", "8"]
    code, out, _ = bench(capsys, *words, "--json", "--plot", tmp_path / "plot.png", "--out", tmp_path / "rows.json")
    rows = json.loads(out)
    assert code == 0
    assert [one["at a time"] for one in rows] == [1, 2]
    assert all(one["errors"] == 0 and one["tokens/s"] > 0 for one in rows)
    assert rows[0]["first text (s), p50"] <= rows[0]["whole answer (s), p50"]
    assert json.loads((tmp_path / "rows.json").read_text()) == rows
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = bench(capsys, *words)
    assert (code, "tokens/s" in out) == (0, True)


def test_a_server_that_does_not_count_its_tokens(capsys):
    with Endpoint(lambda call: Says("x", usage=None, pieces=list("abcdefgh"))) as server:
        words = [server.url, "--model", "m", "--at-a-time", "1", "--requests", "2", "--json"]
        code, out, err = bench(capsys, *words)
        (found,) = json.loads(out)
        assert (code, "each piece of text is taken for one" in err) == (0, True)
        assert round(found["tokens/s"] / found["requests/s"]) == 8
        server.answer = lambda call: Says("x", usage=(10, 1), pieces=["x"])
        (found,) = json.loads(bench(capsys, *words)[1])
    assert found["per token (s), p50"] is None  # after the first token there is none


def test_a_server_that_does_not_answer(capsys):
    with Endpoint(lambda call: Says("x", breaks_off=True)) as server:
        server.then(Status(500))
        code, _, err = bench(capsys, server.url, "--model", "m")
        assert (code, "the server does not answer" in err) == (1, True)
        code, _, err = bench(capsys, server.url)
        assert (code, "no models can be listed" in err) == (1, True)
    assert bench(capsys, "http://127.0.0.1:1/v1", "--at-a-time", "0")[0] == 2
