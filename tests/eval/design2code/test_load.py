"""Reading tasks: the bundled pages, a folder as published, tables as on the hub; and what cannot be read."""

from __future__ import annotations

import base64
import json
import shutil

import pyarrow
import pyarrow.parquet
import pytest

from viscodex.core.errors import UsageError
from viscodex.core.sample import Image
from viscodex.eval.benchmark import benchmark
from viscodex.eval.design2code.answer import reference_page
from viscodex.eval.design2code.bundle import bundled_folder
from viscodex.eval.design2code.load import load, prompt

PNG = (bundled_folder() / "2.png").read_bytes()


def test_the_bundled_pages():
    suite = load()
    assert (len(suite.samples), suite.rejected, suite.source, suite.full_size) == (8, (), "bundled", 8)
    for sample in suite.samples:
        picture, asked = sample.prompt
        assert isinstance(picture, Image) and picture.load().width == 1280
        assert asked == prompt().text
        assert sample.checks["prompt"] == prompt().version == "design2code-1"
        assert sample.response.startswith("```html\n<!DOCTYPE html>")


def test_a_folder_as_published(tmp_path):
    for name in ("2", "10", "7"):
        (tmp_path / f"{name}.html").write_text(f"<html>{name}</html>\n")
        (tmp_path / f"{name}.png").write_bytes(PNG)
    (tmp_path / "rick.jpg").write_bytes(b"")
    (tmp_path / "3.html").write_text("<p>")
    (tmp_path / "4.png").write_bytes(PNG)
    (tmp_path / "5.html").write_text("<p>")
    (tmp_path / "5.png").write_bytes(b"no picture")
    (tmp_path / "6.html").write_text(" \n")
    shutil.copy(tmp_path / "2.png", tmp_path / "6.png")
    suite = load(tmp_path)
    assert [sample.id for sample in suite.samples] == ["2", "7", "10"]
    assert reference_page(suite.samples[0]) == "<html>2</html>\n"
    assert {row.id: row.reason for row in suite.rejected} == {
        "3": "no_screenshot", "4": "no_html", "5": "bad_screenshot", "6": "empty_html",
    }  # fmt: skip
    assert suite.full_size == 484


def test_the_hard_set_has_eighty(tmp_path):
    folder = tmp_path / "Design2Code-HARD"
    folder.mkdir()
    (folder / "1.html").write_text("<p>")
    assert load(folder).full_size == 80


def test_tables_as_on_the_hub(tmp_path):
    (tmp_path / "data").mkdir()
    rows = [
        {"image": {"bytes": PNG, "path": None}, "text": "<html>1</html>"},
        {"image": None, "text": "<html>2</html>"},
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "data" / "train.parquet")
    suite = load(tmp_path)
    assert [(sample.id, sample.images[0].load().width) for sample in suite.samples] == [("0", 1280)]
    assert [row.reason for row in suite.rejected] == ["no_screenshot"]


def test_a_table_of_json_lines(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    coded = base64.b64encode(PNG).decode()
    images = ["a.png", coded, f"data:image/png;base64,{coded}", {"bytes": coded}, "missing.png"]
    lines = [json.dumps({"id": f"r{i}", "image": image, "text": "<html>x</html>"}) for i, image in enumerate(images)]
    table = tmp_path / "pages.jsonl"
    table.write_text("\n".join([*lines, json.dumps({"image": "a.png"})]) + "\n")
    suite = load(table)
    assert [sample.id for sample in suite.samples] == ["r0", "r1", "r2", "r3"]
    assert [row.reason for row in suite.rejected] == ["no_screenshot", "no_html"]


def test_nothing_to_read_is_an_error(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError):
            load(path)


def test_the_benchmark_is_found_by_name():
    found = benchmark("design2code")
    assert (found.kind, [metric.name for metric in found.metrics]) == (
        "html", ["block", "text", "position", "color", "clip"],
    )  # fmt: skip
    assert {name for metrics in found.columns.values() for name in metrics} == {metric.name for metric in found.metrics}
    assert [row.id for row in found.deviations] == [f"D2C-{i:03}" for i in range(1, len(found.deviations) + 1)]
