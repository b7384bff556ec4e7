"""The floors under a merge, each a program of its own: what the same bytes cost without any of a merge's duties.

    python floors.py copy FOLDER OUT            copy the weights and flush them to disk
    python floors.py lerp VLM CODE OUT          read two models, mix them with torch, write the result
    python floors.py lerp-tight VLM CODE OUT    the same in blocks that stay in the cache, nothing allocated twice

The last line printed is JSON: CPU seconds from after the imports to the end. No names are looked up, nothing is
checked, hashed or resumed: files are mixed as rows of bfloat16, which they are but for the headers.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from io import FileIO
from pathlib import Path

LAMBDA = 0.7
CHUNK, TIGHT = 16 << 20, 1 << 18  # elements

Mix = Callable[[FileIO, FileIO, FileIO], None]  # from VLM and code LLM to the result


def copy(source: Path, out: Path) -> None:
    for path in sorted(source.glob("*.safetensors")):
        with path.open("rb") as read, (out / path.name).open("wb") as write:
            left = path.stat().st_size
            while left:
                left -= os.copy_file_range(read.fileno(), write.fileno(), min(left, 16 << 20))
            os.fdatasync(write.fileno())


def lerp() -> Mix:
    """As one would write it: read a chunk of both, to float, mix, to bfloat16, write."""
    import torch

    torch.set_num_threads(1)

    def mix(vlm: FileIO, code: FileIO, out: FileIO) -> None:
        while data := vlm.read(2 * CHUNK):
            a = torch.frombuffer(bytearray(data), dtype=torch.bfloat16)
            b = torch.frombuffer(bytearray(code.read(len(data))), dtype=torch.bfloat16)
            mixed = torch.lerp(b.float(), a.float(), LAMBDA).bfloat16()
            out.write(mixed.view(torch.uint8).numpy().data)

    return mix


def lerp_tight() -> Mix:
    """The strongest floor found: small blocks, every buffer allocated once."""
    import torch

    torch.set_num_threads(1)
    raw = [bytearray(2 * TIGHT) for _ in range(3)]
    words = [torch.frombuffer(data, dtype=torch.bfloat16) for data in raw]
    wide = [torch.empty(TIGHT), torch.empty(TIGHT)]

    def mix(vlm: FileIO, code: FileIO, out: FileIO) -> None:
        while size := vlm.readinto(raw[0]):
            code.readinto(memoryview(raw[1])[:size])
            wide[0].copy_(words[0])
            wide[1].copy_(words[1])
            torch.lerp(wide[1], wide[0], LAMBDA, out=wide[0])
            words[2].copy_(wide[0])
            out.write(memoryview(raw[2])[:size])

    return mix


def mix_files(mix: Mix, vlm: Path, code: Path, out: Path) -> None:
    """Mix the weight files of one name, and flush each."""
    for path in sorted(vlm.glob("*.safetensors")):
        a, b, target = FileIO(path), FileIO(code / path.name), FileIO(out / path.name, "w")
        with a, b, target:
            mix(a, b, target)
            os.fdatasync(target.fileno())


FLOORS: dict[str, Callable[[], Callable[..., None]]] = {
    "copy": lambda: copy,
    "lerp": lambda: partial(mix_files, lerp()),
    "lerp-tight": lambda: partial(mix_files, lerp_tight()),
}


def main() -> None:
    name, *folders = sys.argv[1:]
    paths = [Path(folder) for folder in folders]
    work = FLOORS[name]()
    paths[-1].mkdir(parents=True)
    begun = time.process_time()
    work(*paths)
    print(json.dumps({"phase_cpu": time.process_time() - begun}))


if __name__ == "__main__":
    main()
