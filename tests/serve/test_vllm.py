"""`viscodex serve --engine vllm`: a program of that name is started, watched, started again, and ended with us."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import httpx2
import pytest

from tests.stand_in import gone, is_alive, write
from viscodex.core.errors import VisCodexError
from viscodex.model.vllm import Serving
from viscodex.serve.watched import TRIES, Launch, Watched

from .conftest import PATIENCE_S, ask, error, png, uri

DIES = """if "die" in call.text:
        threading.Timer(0.3, os._exit, (3,)).start()
        return Says("half of an answer " * 100, pause=0.05)
    return Says("served " + call.body["model"])"""


@pytest.fixture
def told(tmp_path):
    """What the stand-in says about itself."""
    return tmp_path / "told.json"


@pytest.fixture
def stand_in(tmp_path, told):
    return partial(write, tmp_path, told, seconds=600.0)


@pytest.fixture
def watched(tmp_path, serve):
    """`watched(program)`: a server in front of it."""

    def start(program, **more):
        launch = Launch(tmp_path / "merged", Serving(program=str(program), start_s=20.0), tmp_path / "log", retry_s=0.1)

        def engines(metrics):
            engine = Watched("merged", launch, metrics)
            engine.wait_until_well()
            return [engine]

        return serve(engines=engines, **more)

    return start


def merged(*content, **more):
    return ask(*content, **more) | {"model": "merged"}


def facts(told):
    return json.loads(told.read_text())


def test_answers_come_through_our_door(watched, stand_in, told):
    front = watched(stand_in())
    response = front.post(merged(uri(png(1)), "What?"))
    assert response.json()["choices"][0]["message"]["content"] == "served merged"
    assert front.get("/health").json()["models"] == ["merged"]
    argv = facts(told)["argv"]
    assert argv[0] == "serve"
    assert argv[argv.index("--served-model-name") + 1] == "merged"
    assert argv[argv.index("--host") + 1] == "127.0.0.1"
    assert facts(told)["pythonpath"] == ""


def test_one_that_crashes_is_a_typed_error_and_is_started_again(watched, stand_in, told):
    front = watched(stand_in(answer=DIES))
    first = facts(told)["pids"]
    response = front.post(merged("die", stream=True))
    last = [line for line in response.text.split("\n\n") if line][-1]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "engine_gone"
    seen = set()
    deadline = time.monotonic() + PATIENCE_S
    while (response := front.post(merged("Sum."))).status_code != 200:
        assert time.monotonic() < deadline
        assert response.status_code == 503
        seen.add(error(response)["code"])
        time.sleep(0.05)
    assert seen <= {"engine_gone", "engine_starting"}
    assert gone(first)  # its worker, too
    assert facts(told)["pids"] != first
    assert front.engine.starts == 2
    assert front.get("/health").status_code == 200


def test_while_it_starts_again_clients_are_told_when_to_come(watched, stand_in, told):
    front = watched(stand_in(before=f"time.sleep(0 if not Path({str(told)!r} + '.2').exists() else 2)"))
    (told.parent / "told.json.2").touch()
    os.kill(facts(told)["pids"][0], signal.SIGKILL)
    front.until(lambda: front.get("/health").status_code == 503)
    response = front.post(merged("Sum."))
    assert (response.status_code, error(response)["code"]) == (503, "engine_starting")
    assert int(response.headers["retry-after"]) >= 1
    front.until(lambda: front.get("/health").status_code == 200)
    assert front.post(merged("Sum.")).status_code == 200


def test_one_that_dies_again_and_again_is_given_up(watched, stand_in):
    front = watched(stand_in(answer="os._exit(3)"))
    deadline, words = time.monotonic() + PATIENCE_S, ""
    while "too often" not in words:
        assert time.monotonic() < deadline
        response = front.post(merged("Sum."))
        words = error(response)["message"]
    assert front.engine.starts == TRIES
    assert (response.status_code, error(response)["code"]) == (503, "engine_gone")
    assert front.get("/health").status_code == 503


@pytest.mark.parametrize(
    ("before", "problem"),
    [("child.kill(); sys.exit('CUDA out of memory')", "ended by itself: exit status 1"), (None, "no program")],
)
def test_one_that_cannot_start_is_not_tried_again(tmp_path, stand_in, before, problem):
    program = stand_in(before=before) if before else tmp_path / "nothing"
    engine = Watched("merged", Launch(tmp_path, Serving(program=str(program), start_s=20.0), tmp_path / "log"))
    with pytest.raises(VisCodexError, match=problem) as caught:
        engine.wait_until_well()
    if before:
        assert "CUDA out of memory" in str(caught.value.hint)
    assert engine.starts == 0
    engine.close()


def test_closing_does_not_wait_for_one_that_starts(tmp_path, stand_in, told):
    program = stand_in(before="time.sleep(60)")
    engine = Watched("merged", Launch(tmp_path, Serving(program=str(program), start_s=60.0), tmp_path / "log"))
    deadline = time.monotonic() + PATIENCE_S
    while not told.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    began = time.monotonic()
    engine.close()
    assert time.monotonic() - began < 15
    assert gone(facts(told)["pids"])


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_command_leaves_no_process_behind(tmp_path, stand_in, told, number):
    (tmp_path / "merged").mkdir()
    words = [sys.executable, "-m", "viscodex", "serve", str(tmp_path / "merged"), "--engine", "vllm", "--port", "0"]
    words += [
        "--set",
        f"vllm.program={stand_in()}",
        "--set",
        "vllm.max_model_len=4096",
        "--max-image-pixels",
        "1003520",
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment}
    with subprocess.Popen(words, **pipes) as server:
        url = server.stdout.readline().split()[-1]
        assert httpx2.post(f"{url}/chat/completions", json=merged("Sum."), timeout=PATIENCE_S).status_code == 200
        pids, argv = facts(told)["pids"], facts(told)["argv"]
        assert all(map(is_alive, pids))
        server.send_signal(number)
        _, errors = server.communicate(timeout=PATIENCE_S)
    assert gone(pids)
    assert server.returncode == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    assert "Traceback" not in errors
    assert argv[argv.index("--max-model-len") + 1] == "4096"
    assert '{"max_pixels":1003520}' in argv
