"""vLLM as a process of ours: a stand-in of that name serves the loopback endpoint; what it starts ends with us."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from tests.stand_in import gone, is_alive, write
from viscodex.core.errors import VisCodexError
from viscodex.core.recipe import assign
from viscodex.eval.predictions import read_predictions
from viscodex.eval.recipe import EvalRecipe
from viscodex.eval.services import served
from viscodex.runner.server import free_port, running


@pytest.fixture
def told(tmp_path):
    """What the stand-in says about itself."""
    return tmp_path / "told.json"


@pytest.fixture
def stand_in(tmp_path, told):
    """Makes the program; `before` runs before it listens."""
    return partial(write, tmp_path, told)


def recipe(program, **more):
    values = {"model": "models/merged", "engine": "vllm", "benchmarks": ["infibench"], **more}
    for key, value in {"vllm.program": str(program), "vllm.start_s": 20.0}.items():
        assign(values, key.split("."), value)
    return EvalRecipe.parse(values, where="test")


def test_it_is_started_with_the_recipes_flags_and_ended_with_what_it_started(stand_in, told, tmp_path):
    with served(recipe(stand_in(), max_pixels=1003520), tmp_path / "engine.log") as client:
        assert client.model == "merged"
        facts = json.loads(told.read_text())
        assert all(map(is_alive, facts["pids"]))
    assert gone(facts["pids"])
    assert facts["argv"][:4] == ["serve", "models/merged", "--served-model-name", "merged"]
    assert facts["argv"][facts["argv"].index("--host") + 1] == "127.0.0.1"
    assert '{"max_pixels":1003520}' in facts["argv"]
    assert facts["pythonpath"] == ""
    assert "loading weights" in (tmp_path / "engine.log").read_text()


@pytest.mark.slow
def test_the_command_asks_it(stand_in, told, tmp_path):
    settings = [f"--set=vllm.program={stand_in()}", "--set=vllm.start_s=20.0", "--engine=vllm", "--limit=3"]
    argv = [sys.executable, "-m", "viscodex", "eval", "generate", "infibench", "--model=models/merged", *settings]
    done = subprocess.run([*argv, "--out", str(tmp_path / "run")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = read_predictions(tmp_path / "run" / "infibench").answers.values()
    assert {answer.text for answer in answers} == {"served merged"}
    assert len(answers) == 3
    assert gone(json.loads(told.read_text())["pids"])
    told.unlink()
    again = subprocess.run([*argv, "--out", str(tmp_path / "run")], capture_output=True, text=True, check=False)
    assert again.returncode == 0
    assert not told.exists()  # every answer is there: nothing is started


def test_a_program_that_is_missing_is_named(tmp_path):
    with (
        pytest.raises(VisCodexError, match="no program /nowhere/vllm"),
        served(recipe("/nowhere/vllm"), tmp_path / "l"),
    ):
        pass


def test_one_that_ends_by_itself_is_quoted(stand_in, tmp_path):
    program = stand_in(before="child.kill()\nsys.exit('CUDA out of memory')")
    with (
        pytest.raises(VisCodexError, match="ended by itself: exit status 1") as caught,
        served(recipe(program), tmp_path / "l"),
    ):
        pass
    assert "CUDA out of memory" in str(caught.value.hint)


def test_one_that_never_gets_well_is_ended(stand_in, told, tmp_path):
    argv = [
        str(stand_in(before="import signal; signal.signal(15, signal.SIG_IGN) and 0; time.sleep(60)")),
        "--port",
        "1",
    ]
    health = f"http://127.0.0.1:{free_port()}/health"
    with (
        pytest.raises(VisCodexError, match="not become well"),
        running(argv, health, tmp_path / "log", start_s=1.5),
    ):
        pass
    assert gone(json.loads(told.read_text())["pids"])


def test_one_that_ends_under_way_is_an_error(stand_in, told, tmp_path):
    with (
        pytest.raises(VisCodexError, match="ended by itself: signal SIGKILL"),
        served(recipe(stand_in()), tmp_path / "log"),
    ):
        pids = json.loads(told.read_text())["pids"]
        os.kill(pids[0], signal.SIGKILL)
        time.sleep(0.3)
    assert gone(pids)


def test_it_ends_when_we_are_killed(stand_in, told, tmp_path):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom viscodex.runner.server import free_port, running\n"
        "port = free_port()\nargv = [sys.argv[1], '--port', str(port)]\n"
        "with running(argv, f'http://127.0.0.1:{port}/health', Path(sys.argv[2]), start_s=20):\n"
        "    print('well', flush=True)\n    time.sleep(60)\n"
    )
    ours = subprocess.Popen(
        [sys.executable, "-c", code, str(stand_in()), str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    )
    assert ours.stdout is not None and ours.stdout.readline() == "well\n"
    ours.kill()
    ours.wait()
    assert gone(json.loads(told.read_text())["pids"])


@pytest.mark.parametrize(
    "more", [{"endpoint": "http://127.0.0.1:1/v1"}, {"model": ""}, {"generator": "oracle", "model": ""}]
)
def test_an_engine_needs_a_folder_and_no_endpoint(more):
    with pytest.raises(VisCodexError, match="an engine serves"):
        recipe("vllm", **more)
