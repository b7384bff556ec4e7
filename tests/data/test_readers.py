"""What we export is read by those it is for: pictures, their places, and the answers, in their own environments.

`datasets` and `webdataset` stand beside our pins. LLaMA-Factory, ms-swift and TRL have environments of their own:
`scripts/make-readers.sh DIR`, then `VISCODEX_READERS=DIR`.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from tests.data.mcd_files import encoded, record, text_record, write_mcd
from viscodex.core.row import MARKER, Row, read_rows
from viscodex.data.exports import export
from viscodex.data.importing import import_mcd

SCRIPTS = Path(__file__).parent / "readers"
PATCH = 28  # pixels of a token's side
MODES = {"rgb": "RGB", "rgba": "RGBA", "palette": "P", "grey": "L", "cmyk": "CMYK", "deep": "I;16", "la": "LA"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with every mode of picture, several pictures in the middle of a text, and none."""
    folder = tmp_path_factory.mktemp("readers")
    pictures = {
        f"mcd_images/{name}.{'jpg' if mode == 'CMYK' else 'png'}": encoded(
            mode, (56 + 28 * index, 84), "JPEG" if mode == "CMYK" else "PNG"
        )
        for index, (name, mode) in enumerate(MODES.items())
    }
    names = list(pictures)
    records = [
        *(record(f"{MARKER}\nWrite page {name}.", images=(name,)) for name in names),
        text_record(),
        record(f"First {MARKER} then {MARKER}, why?", "Because.", (names[0], names[3]), "qa"),
        text_record("Ünïcode 图 and a 😀."),
        record(f"What is wrong?\n\n{MARKER}\n\nIn short.", "```python\nprint(1)\n```", (names[1],), "qa"),
    ]
    found = import_mcd(*write_mcd(folder, records, pictures), folder / "data")
    assert found.seen == found.kept.total() == len(records)
    return folder / "data"


@pytest.fixture(scope="module")
def rows(data: Path) -> dict[str, Row]:
    return {row["id"]: row for row in read_rows(data)}


def exported(data: Path, kind: str, folder: Path) -> Path:
    export(data, folder / kind, kind)
    return folder / kind


def test_datasets_opens_each_category_with_pictures_as_pictures(
    data: Path, rows: dict[str, Row], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    from datasets import load_dataset

    found = {}
    for category in ("html", "qa", "algorithm"):
        for row in load_dataset(str(data), category, split="train", cache_dir=str(tmp_path)):
            found[row["id"]] = row
    assert found.keys() == rows.keys()
    for row_id, row in found.items():
        assert row["messages"] == rows[row_id]["messages"]
        assert row["messages"][0]["content"].count(MARKER) == len(row["images"])
        assert [picture.size for picture in row["images"]] == sizes(rows[row_id])


def test_webdataset_gives_pictures_from_one_kind_of_tars_and_texts_from_another(
    data: Path, rows: dict[str, Row], tmp_path: Path
) -> None:
    import webdataset

    tars = sorted(map(str, exported(data, "webdataset", tmp_path).glob("*.tar")))
    found = {}
    for sample in webdataset.WebDataset(tars, shardshuffle=False).decode("pil"):
        pictures = [key for key in sample if key.rsplit(".")[-1] in ("png", "jpg")]
        assert bool(pictures) != ("-text-" in sample["__url__"])
        found[sample["json"]["id"]] = (sample["json"], [sample[key].size for key in sorted(pictures)])
    assert found.keys() == rows.keys()
    for row_id, (facts, seen) in found.items():
        assert seen == sizes(rows[row_id])
        assert facts["messages"] == rows[row_id]["messages"]
        assert facts["images"] == len(seen)


@pytest.mark.slow
def test_llamafactory(data: Path, rows: dict[str, Row], tmp_path: Path, tiny: Callable[..., Any]) -> None:
    out = exported(data, "llamafactory", tmp_path)
    found = run("llamafactory", out, tiny().vlm, "mcd_train", tmp=tmp_path)
    check(found["rows"], list(rows.values()))


@pytest.mark.slow
def test_swift(data: Path, rows: dict[str, Row], tmp_path: Path, tiny: Callable[..., Any]) -> None:
    out = exported(data, "swift", tmp_path)
    found = run("swift", out / "train.jsonl", tiny().vlm, tmp=tmp_path, ROOT_IMAGE_DIR=str(out))
    check(found["rows"], list(rows.values()))


@pytest.mark.slow
def test_trl(data: Path, rows: dict[str, Row], tmp_path: Path, tiny: Callable[..., Any]) -> None:
    found = run("trl", exported(data, "trl", tmp_path), tiny().vlm, tmp=tmp_path)
    assert {row["id"] for row in found["rows"]} == rows.keys()
    check(found["rows"], [rows[row["id"]] for row in found["rows"]])
    assert found["batch_image_tokens"] == sum(row["image_tokens"] for row in found["rows"])


def check(found: list[dict[str, Any]], expected: list[Row]) -> None:
    """Each row's pictures, as many and as large as ours, where our marks were; its answer the text that is learnt."""
    assert len(found) == len(expected)
    for seen, row in zip(found, expected, strict=True):
        asked, answer = (turn["content"] for turn in row["messages"])
        assert seen["pictures"] == len(row["images"]) == len(seen["grids"])
        assert seen["image_tokens"] == sum(t * h * w // 4 for t, h, w in seen["grids"])
        assert [[1, height // 14, width // 14] for width, height in sizes(row)] == seen["grids"]
        assert seen["answer"] == answer
        shown = "".join(seen["text"].split("<|image_pad|>"))
        assert asked.replace(MARKER, "<|vision_start|><|vision_end|>") in shown
        assert MARKER not in seen["text"]


def sizes(row: Row) -> list[tuple[int, int]]:
    return [PIL.Image.open(io.BytesIO(picture["bytes"])).size for picture in row["images"]]


def run(name: str, *arguments: object, tmp: Path, **more: str) -> dict[str, Any]:
    """Run a script inside a reader's environment; its last line is JSON."""
    folder = os.environ.get("VISCODEX_READERS")
    if not folder:
        pytest.skip("needs the environment of scripts/make-readers.sh: VISCODEX_READERS is not set")
    python = Path(folder) / name / "bin" / "python"
    if not python.exists():
        pytest.skip(f"needs the environment of scripts/make-readers.sh: no {name} in VISCODEX_READERS")
    source = Path(__file__).parents[2] / "src"
    caches = {"HF_HOME": str(tmp / "hf"), "MODELSCOPE_CACHE": str(tmp / "ms"), "TMPDIR": str(tmp)}
    done = subprocess.run(
        [python, SCRIPTS / f"{name}_reader.py", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(source), **caches, **more},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
