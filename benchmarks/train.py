"""Training: tokens a second against TRL's SFTTrainer and a plain loop, on one machine in one run; or a step on a GPU.

    python benchmarks/train.py --trl VENV/bin/python       about ten minutes on one core
    python benchmarks/train.py --device cuda               Qwen2.5-VL-7B-shaped random weights on one GPU
    python benchmarks/train.py --device cpu --shape tiny   the same code on tiny shapes

Writes benchmarks/results/train.json, or train-DEVICE.json with the device's name in it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

import measure
import result
from training import rows as data
from training.device import measure_device

HERE = Path(__file__).parent
WORK = HERE.parent / "build" / "benchmarks" / "train"
PLAIN = HERE / "training" / "plain.py"
TRL = HERE.parent / "tests" / "train" / "peers" / "trl_sft.py"
SAMPLES, STEPS = 8, 4  # of a step; of a run

NOTES = (
    "Two models (tiny: 2 layers 64 wide; small: 6 layers 256 wide, 4,096 tokens of vocabulary), the same rows, "
    "float32, one thread, 8 samples a step; a quarter of the samples has no picture, and the longest is some twenty "
    "times the shortest; vision frozen, AdamW, no recomputation. Tokens are those of the samples: padding is not "
    "counted. TRL refuses packing for vision-language models; its micro-batches of 1 have no padding, those of 8 "
    "(its default) have. CPU seconds are those of the process while it trains, data loading included: unlike "
    "seconds on the wall they hardly depend on what else the machine does. Medians over runs, in turns. The peak is "
    "the process's, with Python and its libraries (0.45 GB) in it."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trl", type=Path, help="the Python of an environment with TRL")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="", help="measure steps on this device instead")
    parser.add_argument("--shape", default="7b", choices=("7b", "3b", "tiny"))
    parser.add_argument("--results", type=Path, default=result.RESULTS)
    arguments = parser.parse_args()
    if arguments.device:
        print(measure_device(arguments.device, arguments.shape, arguments.results))
        return
    print(against_peers(arguments.trl, arguments.repeats, arguments.results))


def against_peers(trl: Path | None, repeats: int, results: Path) -> Path:
    WORK.mkdir(parents=True, exist_ok=True)
    rows = data.write(WORK / "rows.parquet", SAMPLES * STEPS)
    table: list[dict[str, Any]] = []
    details = {}
    for size in data.SIZES:
        found = runs_of(data.model(WORK / "models", size), rows, trl, repeats)
        table += table_of(size, found)
        details[size] = found
        result.write("train", "Training", table, NOTES, folder=results, runs=details)
    return result.write("train", "Training", table, NOTES, folder=results, runs=details)


def runs_of(model: Path, rows: Path, trl: Path | None, repeats: int) -> dict[str, list[dict[str, float]]]:
    """Every way, in turns."""
    ways: dict[str, Any] = {
        "viscodex": lambda: ours(model, rows),
        "plain loop, 1 sample at a time": lambda: plain(model, rows),
    }
    if trl:
        for batch in (1, 8):
            ways[f"TRL SFTTrainer, micro-batches of {batch}"] = lambda batch=batch: peer(trl, model, rows, batch)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(repeats):  # in turns, so that a slow moment of the machine falls on all
        for name, way in ways.items():
            runs[name].append(way())
            print(model.parent.name, name, runs[name][-1], file=sys.stderr, flush=True)
    return runs


def table_of(size: str, runs: dict[str, list[dict[str, float]]]) -> list[dict[str, Any]]:
    middle = {
        name: {key: statistics.median(run[key] for run in found) for key in found[0]} for name, found in runs.items()
    }
    best = middle["viscodex"]
    return [
        {
            "model": size,
            "": name,
            "tokens / CPU s": round(one["tokens_per_cpu_s"]),
            "viscodex is faster by": round(best["tokens_per_cpu_s"] / one["tokens_per_cpu_s"], 2),
            "tokens / s": round(one["tokens_per_s"]),
            "peak memory (GB)": round(one["peak_bytes"] / 1e9, 2),
        }
        for name, one in middle.items()
    ]


def ours(model: Path, rows: Path) -> dict[str, float]:
    out = WORK / "out"
    data.remove(out)
    values = {"model": model, "data": rows, "batch_size": SAMPLES, "lr": 1e-5, "schedule": "constant", "warmup": 0.0}
    values |= {
        "batch_tokens": 4096,
        "max_length": 4096,
        "max_pixels": data.MAX_PIXELS,
        "eval_share": 0.0,
        "epochs": 1.0,
    }
    values |= {"checkpoint_every": 0, "checkpointing": "false", "workers": 1, "precision": "float32"}
    words = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
    environment = {"OMP_NUM_THREADS": "1", "VISCODEX_CACHE": str(WORK / "cache")}
    argv = [sys.executable, "-m", "viscodex", "train", "tiny", *words, "--out", out]
    usage = measure.run(argv, WORK / "ours.log", env=environment)
    steps = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    counted = [step for step in steps if step["kind"] == "step"]
    return rate(
        counted[0]["loss"], *(sum(s[key] for s in counted) for key in ("tokens", "seconds", "cpu")), usage.peak_rss
    )


def plain(model: Path, rows: Path) -> dict[str, float]:
    return script([sys.executable, PLAIN, "--samples", str(SAMPLES)], model, rows)


def peer(python: Path, model: Path, rows: Path, batch: int) -> dict[str, float]:
    steps = ["--batch", str(batch), "--accumulate", str(SAMPLES // batch), "--steps", str(STEPS)]
    return script([python, TRL, *steps, "--max-pixels", str(data.MAX_PIXELS)], model, rows)


def script(argv: list[Any], model: Path, rows: Path) -> dict[str, float]:
    out = WORK / "script.json"
    path = os.pathsep.join([str(HERE.parent / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    argv = [*argv, "--model", model, "--data", rows, "--out", out]
    usage = measure.run(argv, WORK / "script.log", env=environment)
    found = json.loads(out.read_text())
    tokens = data.tokens(model, rows)
    return rate(found["losses"][0], tokens, sum(found["step_seconds"]), sum(found["step_cpu"]), usage.peak_rss)


def rate(loss: float, tokens: int, seconds: float, cpu: float, peak: int) -> dict[str, float]:
    return {"loss": loss, "tokens_per_s": tokens / seconds, "tokens_per_cpu_s": tokens / cpu, "peak_bytes": float(peak)}


if __name__ == "__main__":
    main()
