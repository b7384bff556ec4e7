import threading

import pytest

from viscodex.core import console


def test_results_go_to_stdout_and_remarks_to_stderr(capsys):
    console.result("λ = 0.7")
    console.say("reading")
    assert capsys.readouterr() == ("λ = 0.7\n", "reading\n")


def test_quiet_silences_remarks_only(capsys):
    console.configure(quiet=True)
    console.result("kept")
    console.say("dropped")
    assert capsys.readouterr() == ("kept\n", "")


def test_json_keeps_letters(capsys):
    console.result_json({"λ": 1})
    assert capsys.readouterr().out == '{\n  "λ": 1\n}\n'


def test_a_table_in_a_log_folds_nothing(capsys):
    long = "x" * 500
    console.table("models", ("name", "score"), [("a", "1"), (long, "22")], right=[1])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "models"
    assert any(long in line and line.endswith("22") for line in lines)
    assert all(line == line.rstrip() for line in lines)
    assert max(map(len, lines)) < 520


def test_table_cells_are_taken_literally(capsys):
    console.table("", ("a",), [("[bold]x[/bold] :smile:",)])
    assert "[bold]x[/bold] :smile:" in capsys.readouterr().out


def test_progress_is_a_plain_line_when_due(capsys, monkeypatch):
    monkeypatch.setattr(console, "PLAIN_INTERVAL_S", 0.0)
    with console.progress("merging", 4, "shards") as counter:
        counter.advance(1)
        counter.advance(1)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(",")[0] for line in err.splitlines()] == [
        "merging: 25 % (1/4 shards",
        "merging: 50 % (2/4 shards",
    ]


def test_progress_waits_between_plain_lines(capsys):
    with console.progress("merging", 1000) as counter:
        for _ in range(1000):
            counter.advance(1)
    assert capsys.readouterr().err == ""


def test_progress_is_silent_when_quiet(capsys, monkeypatch):
    monkeypatch.setattr(console, "PLAIN_INTERVAL_S", 0.0)
    console.configure(quiet=True)
    with console.progress("merging", 4) as counter:
        counter.advance(4)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("total", "done", "words"),
    [(8e9, 2e9, "25 % (2.0/8.0 GB"), (0, 0, "100 % (0.0/0.0 GB"), (8e9, 0, "just begun")],
)
def test_bytes_are_told_in_gigabytes(total, done, words):
    assert words in console.Progress("merging", total, "B", done=done).line()


def test_progress_loses_no_count_among_threads():
    counter = console.Progress("merging", 80_000, "items")

    def work() -> None:
        for _ in range(10_000):
            counter.advance(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.done == 80_000


def test_progress_on_a_terminal_is_live(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with console.progress("merging", 2) as counter:
        counter.advance(2)
        assert counter._live.tasks[0].completed == 2


def test_a_count_without_a_total_tells_no_share():
    assert console.Progress("drafts", None, "rows", done=3).line().startswith("drafts: 3 rows, ")


def test_the_last_remark_is_shown():
    counter = console.Progress("run", 4, "rows")
    counter.advance(1, "1 kept")
    counter.advance(1)
    assert counter.line().endswith("; 1 kept")
