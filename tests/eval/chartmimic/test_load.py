"""The published forms, and the files in them that cannot be used."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter

import numpy as np
import PIL.Image
import pytest
from tests.eval.chartmimic.test_answers import CUSTOM

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.eval.benchmark import benchmark
from viscodex.eval.chartmimic.answer import reference_code, without_output
from viscodex.eval.chartmimic.tasks import figure_size

load = benchmark("chartmimic").load
CODE = "import matplotlib.pyplot as plt\nplt.figure(figsize=(7, 4.5))\nplt.plot([1])\nplt.savefig('a.pdf')\n"


def png(size: tuple[int, int] = (8, 6)) -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", size, "red").save(file, "png")
    return file.getvalue()


def reasons(suite) -> dict[str, str]:
    return {rejection.id: rejection.reason for rejection in suite.rejected}


@pytest.fixture
def folder(tmp_path):
    direct = tmp_path / "direct_600"
    direct.mkdir()
    for name in ("bar_1", "bar_2", "bar_10", "CB_3"):
        (direct / f"{name}.py").write_text(CODE)
        (direct / f"{name}.png").write_bytes(png())
        (direct / f"{name}.pdf").write_bytes(b"%PDF-")
    return tmp_path


def test_a_folder_of_scripts_and_pictures(folder):
    for path in (folder, folder / "direct_600"):
        suite = load(path)
        assert [sample.id for sample in suite.samples] == ["CB_3", "bar_1", "bar_2", "bar_10"]
        assert (suite.full_size, suite.rejected) == (600, ())
    sample = suite.samples[1]
    assert sample.images[0].load().size == (8, 6)
    assert "figsize=(7, 4.5)" in sample.text
    assert reference_code(sample) == CODE.strip()
    assert sample.checks == {"task": "direct", "category": "bar", "figsize": [7.0, 4.5]}
    assert benchmark("chartmimic").groups(sample) == {"category": "bar", "task": "direct"}


def test_what_cannot_be_used_is_listed(folder):
    direct = folder / "direct_600"
    (direct / "bar_3.py").write_text(CODE)  # only a PDF
    (direct / "bar_3.pdf").write_bytes(b"%PDF-")
    (direct / "bar_4.py").write_text("x = (")
    (direct / "bar_5.py").write_bytes(b"\xff\xfe")
    (direct / "bar_6.png").write_bytes(png())
    (direct / "bar_7.py").write_text(CODE)
    (direct / "bar_7.png").write_bytes(png()[:40])
    (direct / "bar_8.py").write_text("")
    suite = load(folder)
    assert len(suite.samples) == 4
    wanted = ["no_picture", "not_python", "unreadable", "no_code", "bad_picture", "no_code"]
    assert reasons(suite) == {f"bar_{number}": reason for number, reason in zip(range(3, 9), wanted, strict=True)}


def test_customized_tasks_show_the_direct_picture(folder):
    custom = folder / "customized_600"
    custom.mkdir()
    (custom / "bar_1.py").write_text(CUSTOM)
    (custom / "bar_2.py").write_text(CODE)
    suite = load(custom)
    (sample,) = suite.samples
    assert sample.checks["task"] == "customized"
    assert 'names = ["a", "b"]' in sample.text
    assert sample.images[0].load().size == (8, 6)
    assert reasons(suite) == {"bar_2": "no_data_part"}
    assert {one.checks["task"] for one in load(folder).samples} == {"direct"}


def rows(folder):
    """As of the published table; columns that a row does not have are empty there."""
    preview = {"bytes": png(), "path": None}
    direct = [
        {"ExampleID": "bar_1", "GroundTruthFigureCode": "direct_600/bar_1.py", "Instruction": "Draw this."}
        | {"GroundTruthFigure": "direct_600/bar_1.pdf"},
        {"ExampleID": "bar_2", "GroundTruthFigureCode": CODE, "GroundTruthFigurePreview": preview},
        {"ExampleID": "bar_1", "GroundTruthFigureCode": CODE},
        {"ExampleID": "bar_9", "GroundTruthFigureCode": "../outside.py", "GroundTruthFigurePreview": preview},
    ]
    custom = {"Task": "Customized Mimic", "ExampleID": "bar_1", "GroundTruthFigureCode": CUSTOM}
    found = [{"Task": "Direct Mimic", **row} for row in direct] + [custom]
    names = dict.fromkeys(name for row in found for name in row)
    return [{name: row.get(name) for name in names} for row in found]


def assert_rows(suite):
    assert [sample.id for sample in suite.samples] == ["bar_1", "bar_2"]
    assert suite.samples[0].text == "Draw this."
    assert reference_code(suite.samples[1]) == CODE.strip()
    wanted = [("bar_1", "duplicate"), ("bar_9", "no_code"), ("bar_1", "other_task")]
    assert [(r.id, r.reason) for r in suite.rejected][-3:] == wanted


def test_json_lines(folder):
    (folder.parent / "outside.py").write_text(CODE)
    path = folder / "test.jsonl"
    lines = []
    for row in rows(folder):
        preview = row["GroundTruthFigurePreview"]
        text = base64.b64encode(preview["bytes"] * 4).decode() if preview else None  # what follows a PNG is not read
        lines.append(json.dumps(row | {"GroundTruthFigurePreview": text}))
    path.write_text("\n".join(["{oh", "3", *lines, ""]))
    suite = load(path)
    assert [r.reason for r in suite.rejected[:2]] == ["not_json", "not_a_task"]
    assert_rows(suite)


def test_parquet(folder):
    import pyarrow
    import pyarrow.parquet

    path = folder / "test.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows(folder)), path)
    assert_rows(load(path))
    path.write_bytes(b"PAR1")
    with pytest.raises(VisCodexError, match="not a parquet file"):
        load(path)


def test_what_is_no_suite_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no tasks at this path"):
        load(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no tasks of ChartMimic"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("code", "size"),
    [
        ("plt.figure(figsize=(3, 4))", (3, 4)),
        ("plt.figure(figsize=(3, 4))\nplt.subplots(2, figsize=[5, 6])", (5, 6)),
        ("fig.set_size_inches(8, 2)", (8, 2)),
        ("fig.set_size_inches((8, 2))", (8, 2)),
        ("fig.set_size_inches()", (6.4, 4.8)),
        ("plt.figure(figsize=(w, h))", (6.4, 4.8)),
        ("plt.figure(figsize=(-1, 0))", (6.4, 4.8)),
        ("plt.figure(", (6.4, 4.8)),
    ],
)
def test_the_figures_size_is_read_from_the_script(code, size):
    assert figure_size(code) == size


def test_our_own_charts_are_of_every_kind():
    suite = load(None)
    assert len(suite.samples) >= 10
    assert not suite.rejected
    kinds = Counter(sample.checks["category"] for sample in suite.samples)
    assert kinds.keys() >= {
        "bar",
        "line",
        "scatter",
        "pie",
        "heatmap",
        "box",
        "violin",
        "radar",
        "3d",
        "graph",
        "density",
    }
    for sample in suite.samples:
        width, height = sample.checks["figsize"]
        picture = sample.images[0].load()
        assert picture.width / picture.height == pytest.approx(width / height, rel=0.02)
        assert sample.source.licence == "Apache-2.0"


def test_our_pictures_are_what_our_scripts_draw(scorer):
    for sample in load(None).samples[::5]:
        drawn = PIL.Image.open(io.BytesIO(scorer._charts.run(without_output(reference_code(sample))).png)).convert(
            "RGB"
        )
        kept = sample.images[0].load()
        assert drawn.size == kept.size
        assert np.abs(np.asarray(drawn, float) - np.asarray(kept, float)).mean() < 0.5
