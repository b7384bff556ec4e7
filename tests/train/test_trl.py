"""Our first step against TRL's, where an environment with TRL is named: VISCODEX_TRL=/path/to/bin/python."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch

from tests.train.conftest import as_row, objective
from tests.train.rows import mixed, write_parquet
from viscodex.train.batch import collate, load

PEER = Path(__file__).parent / "peers" / "trl_sft.py"


@pytest.mark.slow
@pytest.mark.skipif("VISCODEX_TRL" not in os.environ, reason="no environment with TRL is named by VISCODEX_TRL")
@pytest.mark.parametrize(("batch", "accumulate"), [(1, 4), (2, 2)])
def test_the_first_loss_is_that_of_trl(trio, encoder, tmp_path, repository, batch, accumulate):
    """Weighted by tokens over four samples of uneven length, one of them without a picture."""
    records = mixed(4) if batch == 1 else [record for record in mixed(8) if record["images"]][:4]
    path = write_parquet(tmp_path / "rows.parquet", records)
    words = [os.environ["VISCODEX_TRL"], str(PEER), "--model", str(trio.vlm), "--data", str(path)]
    words += ["--out", str(tmp_path / "out.json"), "--batch", str(batch), "--accumulate", str(accumulate)]
    environment = os.environ | {"PYTHONPATH": str(repository / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    (theirs,) = json.loads((tmp_path / "out.json").read_text())["losses"]
    with torch.no_grad():
        losses = objective(trio.vlm)(collate([load(as_row(record), encoder) for record in records], encoder))
    assert float(losses.mean()) == pytest.approx(theirs, rel=1e-5)
