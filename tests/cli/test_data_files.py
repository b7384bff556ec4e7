"""`viscodex data import`, `export` and `inspect` as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.data.mcd_files import encoded, record, text_record, write_mcd

from viscodex.cli import main


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = 0
    try:
        main(["data", *map(str, words)])
    except SystemExit as end:
        code = int(end.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.fixture
def imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    values = [
        record(),
        record(images=("x.png",)),
        text_record(),
        text_record("Zwölf\n" * 40),
        record("<image> B", category="QA"),
    ]
    path, _ = write_mcd(tmp_path, values, {"mcd_images/html/a.png": encoded("RGBA", (300, 200))})
    assert run(capsys, "import", path, "--out", tmp_path / "out")[0] == 0
    return tmp_path / "out"


def test_import_tells_what_was_kept_mended_and_rejected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = [record(), record("<image> B", images=("x.png",)), record("<image> C", category="HTML"), record(None)]
    path, images = write_mcd(tmp_path, values)
    code, out, err = run(capsys, "import", path, "--images", images, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "4 records, 2 pictures" in out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for line in ("kept html 2", "rejected picture missing 1", "rejected content is not text 1",
                 "oddities category in another case 1"):  # fmt: skip
        assert line in lines


def test_a_file_that_breaks_off_is_imported_and_the_command_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = write_mcd(tmp_path, [record()], tail=', {"images": [')
    code, out, err = run(capsys, "import", path, "--out", tmp_path / "out", "--json")
    assert code == 1
    assert json.loads(out)["kept"] == {"html": 1}
    assert "parts of the file are no JSON" in err
    assert "after record 1, bytes " in err
    assert (tmp_path / "out" / "README.md").exists()


def test_export_and_its_counts(imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "export", imported, "--format", "llamafactory", "--out", tmp_path / "lf", "--json")
    assert code == 0
    assert json.loads(out) == {
        "format": "llamafactory", "seen": 4, "written": {"algorithm": 2, "html": 1, "qa": 1}, "left_out": {},
        "pictures": 2,
    }  # fmt: skip
    code, out, _ = run(
        capsys, "export", imported, "-f", "swift", "-o", tmp_path / "s", "--category", "qa", "--limit", 1
    )
    assert code == 0
    assert "1 rows, 1 pictures" in out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("export", "DATA", "-f", "llama", "-o", "x"), 'no format "llama"'),
        (("export", "DATA", "-f", "swift", "-o", "DATA"), "not empty"),
        (("export", "nowhere", "-f", "swift", "-o", "x"), "no shards"),
        (("inspect", "nowhere"), "no shards"),
        (("import", "nowhere.json", "-o", "x"), "no such file"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    words: tuple[str, ...], problem: str, imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"DATA": imported, "x": tmp_path / "x", "nowhere": tmp_path / "no", "nowhere.json": tmp_path / "no.json"}
    code, out, err = run(capsys, *(places.get(word, word) for word in words))
    assert (code, out) == (2, "")
    assert problem in err
    assert not (tmp_path / "x").exists()


def test_inspect_counts_and_shows_rows(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "inspect", imported, "--rows", 9)
    assert (code, err) == (0, "")
    for words in (
        "algorithm 2 0 2 train 2",
        "qa 1 1 0 train 1",
        "read: picture missing 1",
        "picture: PNG RGBA 300×200",
    ):
        assert words in " ".join(out.split())
    assert "… 26 lines more" in out


def test_inspect_as_json(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, "inspect", imported, "--rows", 2, "--json")[1])
    assert found["unit"] == "characters"
    qa = found["categories"]["qa"]
    assert (qa["rows"], qa["pictures"], qa["text_only"], qa["modes"]) == (1, 1, 0, {"RGBA": 1})
    assert qa["longer_side"] == {"n": 1, "median": 300, "p95": 300, "max": 300, "histogram": {"≤ 512": 1}}
    assert found["rejected"] == {"read: picture missing": 1}
    assert len(found["rows"]) == 2
    again = json.loads(run(capsys, "inspect", imported, "--rows", 2, "--json")[1])
    assert again == found
    quick = json.loads(run(capsys, "inspect", imported, "--quick", "--rows", 0, "--json")[1])
    assert quick["categories"]["qa"]["pictures"] == 1
    assert quick["categories"]["qa"]["longer_side"] == {"n": 0}


@pytest.mark.slow
def test_inspect_in_a_models_tokens(
    imported: Path, tiny: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    found = json.loads(run(capsys, "inspect", imported, "--tokenizer", tiny().vlm, "--json")[1])
    assert found["unit"] == "tokens"
    assert 0 < found["categories"]["qa"]["response"]["max"] < 25


def test_control_characters_of_a_file_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = write_mcd(tmp_path, [text_record("\x1b[31mred\x07", license="\x1b[2J")])
    run(capsys, "import", path, "--out", tmp_path / "out")
    code, out, _ = run(capsys, "inspect", tmp_path / "out")
    assert code == 0
    assert "\x1b" not in out
    assert "\x07" not in out


def test_help_needs_no_torch_and_no_pyarrow() -> None:
    code = (
        "import sys; from viscodex.cli import app; print([m for m in ('torch', 'pyarrow', 'PIL') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
