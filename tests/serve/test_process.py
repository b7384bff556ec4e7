"""`viscodex serve` as a process: what it refuses to begin, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import httpx2
import pytest

from viscodex import cli
from viscodex.serve.limits import Limits

from .conftest import ask


def run(capsys, *words):
    code = 0
    try:
        cli.main(["serve", *map(str, words)])
    except SystemExit as end:
        code = int(end.code or 0)
    return code, *capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "no model to serve"),
        (["m", "--host", "0.0.0.0"], "there is no API key"),
        (["m", "--set", "bodies=3"], "no limit bodies"),
        (["m", "--set", "body=-1"], "greater than or equal to 1"),
        (["m", "--set", "vllm.programme=x"], "no setting vllm.programme"),
        (["m", "--engine", "sglang"], "no engine sglang"),
        (["a/m", "b/m"], "two models are called m"),
        (["--endpoint", "127.0.0.1:8000"], "an http(s) address"),
        (["m", "--port", "TAKEN"], "cannot listen"),
    ],
)
def test_what_cannot_be_meant_is_said_before_a_model_is_loaded(capsys, monkeypatch, words, problem):
    monkeypatch.delenv("VISCODEX_API_KEYS", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, out, err = run(capsys, *[port if word == "TAKEN" else word for word in words])
    assert (code, out) == (2, "")
    assert problem in err


def test_limits_are_listed(capsys):
    code, out, _ = run(capsys, "--limits", "--set", "body=1234")
    assert code == 0
    assert all(name in out for name in Limits.model_fields)
    assert "1,234" in out


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tiny, number):
    """In the middle of an answer that would take long: a cut stream, exit code 0, nothing but addresses on stdout."""
    words = [sys.executable, "-m", "viscodex", "serve", str(tiny().vlm), "--port", "0", "--set", "grace_s=0"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment}
    with subprocess.Popen([*words, "--set", "tokens=30000"], **pipes) as server:
        line = server.stdout.readline().split()
        assert line[:2] == ["vlm", "at"]
        assert server.stdout.readline().strip() == f"playground at {line[2].removesuffix('v1')}"
        body = ask("Sum.", stream=True, max_tokens=30_000, temperature=1, n=8)  # the last ends late
        with httpx2.stream("POST", f"{line[2]}/chat/completions", json=body, timeout=60) as stream:
            lines = stream.iter_lines()
            assert json.loads(next(lines).removeprefix("data: "))["object"] == "chat.completion.chunk"
            server.send_signal(number)
            last = [line for line in lines if line][-1]
            rest, errors = server.communicate(timeout=60)
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "stopping"
    assert (server.returncode, rest) == (0, "")
    assert errors.splitlines()[-1] == "stopped"
    assert "Traceback" not in errors
