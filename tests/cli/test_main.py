import errno
import signal
import subprocess
import sys
import textwrap

import pytest

from viscodex import __version__, doctor
from viscodex.cli import main
from viscodex.core import console
from viscodex.core.errors import UsageError, VisCodexError


@pytest.fixture(autouse=True)
def _own_excepthook(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)


def exit_code(*words: str) -> int | str | None:
    with pytest.raises(SystemExit) as end:
        main(list(words))
    return end.value.code or 0


def python(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", textwrap.dedent(code), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def failing_with(error: BaseException):
    def examine():
        raise error

    return examine


def test_version(capsys):
    assert exit_code("--version") == 0
    assert capsys.readouterr().out == f"viscodex {__version__}\n"


def test_help_imports_nothing_heavy():
    done = python("""
        import sys
        from viscodex.cli import main
        try:
            main(["--help"])
        except SystemExit:
            heavy = {"torch", "transformers", "numpy", "pydantic", "PIL", "matplotlib", "asyncio"}
            print(sorted(heavy & set(sys.modules)), file=sys.stderr)
    """)
    assert "Usage: viscodex" in done.stdout
    assert done.stderr == "[]\n"


def test_help_names_every_verb(capsys):
    assert exit_code("-h") == 0
    page = capsys.readouterr().out
    assert "doctor" in page
    assert "recipes" in page


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (VisCodexError("no shard", where="x", hint="y"), 1, ["error: no shard", "  where: x", "  try:   y"]),
        (UsageError("no such key"), 2, ["error: no such key"]),
        (
            OSError(errno.ENOSPC, "No space left on device", "out"),
            1,
            ["error: No space left on device", "  where: out"],
        ),
        (KeyboardInterrupt(), 130, ["", "interrupted; to continue: viscodex doctor --json"]),
    ],
)
def test_exit_codes_and_pages(capsys, monkeypatch, error, code, lines):
    monkeypatch.setattr(doctor, "examine", failing_with(error))
    assert exit_code("doctor", "--json") == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == lines


def test_the_line_that_continues_can_be_pasted(capsys):
    """Quotes included: the interrupted command may hold spaces."""
    done = python("""
        from viscodex import cli
        @cli.app.command()
        def wait(where: str) -> None:
            raise KeyboardInterrupt
        cli.main(["wait", "my models/a b"])
    """)
    assert done.returncode == 130
    assert done.stderr.endswith("to continue: viscodex wait 'my models/a b'\n")


def test_control_c_ends_with_130():
    code = textwrap.dedent("""
        import time
        from viscodex import cli
        @cli.app.command()
        def wait() -> None:
            print("waiting", flush=True)
            time.sleep(60)
        cli.main(["wait"])
    """)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **streams) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "waiting\n"
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert err.splitlines()[-1] == "interrupted; to continue: viscodex wait"
    assert "Traceback" not in err


FAULT = """
    import sys
    from viscodex import cli, doctor
    doctor.examine = lambda: {}["key"]
    cli.main(sys.argv[1:])
"""


def test_a_fault_of_ours_is_a_page_too():
    done = python(FAULT, "doctor")
    assert done.returncode == 1
    assert "error: a fault in viscodex: KeyError: 'key'" in done.stderr
    assert "--debug" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("--debug", "doctor"), ("doctor", "--debug")])
def test_debug_anywhere_shows_the_traceback(words):
    done = python(FAULT, *words)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_debug_shows_the_traceback_of_a_foreseen_error(monkeypatch):
    monkeypatch.setattr(doctor, "examine", failing_with(VisCodexError("no shard")))
    with pytest.raises(VisCodexError):
        main(["doctor", "--debug"])


@pytest.mark.parametrize("words", [("--quiet", "doctor"), ("doctor", "--quiet"), ("doctor", "--json", "--quiet")])
def test_quiet_may_stand_anywhere(monkeypatch, words):
    seen = []
    monkeypatch.setattr(doctor, "examine", lambda: seen.append(console.settings.quiet) or [])
    monkeypatch.setattr("viscodex.cli.doctor.page", lambda _: [])
    assert exit_code(*words) == 0
    assert seen == [True]


def test_what_follows_two_dashes_is_left_alone():
    done = python("""
        from viscodex import cli
        from viscodex.core import console
        @cli.app.command()
        def echo(words: list[str]) -> None:
            print(words, console.settings.quiet)
        cli.main(["echo", "--", "--quiet"])
    """)
    assert done.stdout == "['--quiet'] False\n"


@pytest.mark.parametrize("words", [("docter",), ("doctor", "--jsn"), ("doctor", "extra"), ()])
def test_usage_errors_end_with_2(capsys, words):
    assert exit_code(*words) == 2


def test_a_misspelt_verb_gets_a_suggestion(capsys):
    exit_code("docter")
    assert "Did you mean 'doctor'" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_noise():
    code = "from viscodex.cli import main; main(['doctor', '--json'])"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        assert running.stderr.read() == b""
    assert running.returncode == 1


def test_output_that_the_locale_cannot_hold_is_escaped():
    done = subprocess.run(
        [sys.executable, "-c", "from viscodex import cli, doctor; cli.main(['recipes', 'show', 'λ'])"],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)},
        check=False,
    )
    assert done.returncode == 2
    assert b'error: no recipe "\\u03bb"' in done.stderr
