"""What one would write for this job alone: asyncio, the openai client, a process pool, one parquet file at the end.

It keeps nothing until the end: killed, all calls are paid again; a row that kills its process ends the run.
script.py URL ROWS WORKERS OUT
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import openai
import pyarrow as pa
import pyarrow.parquet as pq

from building import job

IN_FLIGHT = 32


async def build(url: str, rows: int, workers: int, out: Path) -> int:
    loop, turn = asyncio.get_running_loop(), asyncio.Semaphore(IN_FLIGHT)
    kept, rejected = [], []
    with ProcessPoolExecutor(workers) as pool:
        async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:

            async def answered(number: int) -> tuple[int, str | None]:
                text = job.note(number)
                if not await loop.run_in_executor(pool, job.is_long, text):
                    return number, None
                async with turn:
                    reply = await client.chat.completions.create(
                        model="m", messages=[{"role": "user", "content": text}], max_tokens=100
                    )
                return number, reply.choices[0].message.content

            found = await asyncio.gather(*map(answered, range(rows)))
        answers: dict[str, str] = {}
        seen = set()
        for name, text in sorted((job.row_id(number), text) for number, text in found if text):
            if text in seen:
                rejected.append((name, "duplicate"))
                continue
            seen.add(text)
            answers[name] = text
        rejected += [(job.row_id(number), "too_short") for number, text in found if text is None]
        numbers = {job.row_id(number): number for number in range(rows)}

        async def drawn(name: str, text: str) -> dict[str, object]:
            picture = await loop.run_in_executor(pool, job.draw, text)
            turns = [
                {"role": "user", "content": "<image>" + job.note(numbers[name])},
                {"role": "assistant", "content": text},
            ]
            return {"id": name, "messages": turns, "images": [{"bytes": picture, "path": f"{name}.png"}]}

        kept = await asyncio.gather(*(drawn(name, text) for name, text in answers.items()))
    out.mkdir()
    pq.write_table(pa.Table.from_pylist(kept), out / "train-00000-of-00001.parquet", compression="zstd")
    pq.write_table(pa.Table.from_pylist([{"id": i, "reason": r} for i, r in rejected]), out / "rejected.parquet")
    return len(kept)


if __name__ == "__main__":
    print(asyncio.run(build(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))
