"""The same in Ray Data: map_batches over a status column, nothing filtered. on_ray.py URL ROWS WORKERS OUT"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import openai
import pandas as pd
import ray
import ray.data

from building import job


def check(batch: pd.DataFrame) -> pd.DataFrame:
    batch["status"] = ["kept" if job.is_long(text) else "too_short" for text in batch["text"]]
    return batch


class Answer:
    def __init__(self, url: str) -> None:
        self.client = openai.AsyncOpenAI(base_url=url, api_key="none")
        self.loop = asyncio.new_event_loop()

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        async def one(text: str, status: str) -> str:
            if status != "kept":
                return ""
            messages: Any = [{"role": "user", "content": text}]
            reply = await self.client.chat.completions.create(model="m", messages=messages, max_tokens=100)
            return reply.choices[0].message.content or ""

        async def every() -> list[str]:
            return await asyncio.gather(*map(one, batch["text"], batch["status"]))

        batch["answer"] = self.loop.run_until_complete(every())
        return batch


def draw(batch: pd.DataFrame) -> pd.DataFrame:
    pairs = zip(batch["answer"], batch["status"], strict=True)
    batch["picture"] = [job.draw(answer) if status == "kept" else b"" for answer, status in pairs]
    return batch


def main(url: str, rows: int, workers: int, out: Path) -> None:
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    items = [{"id": job.row_id(number), "text": job.note(number)} for number in range(rows)]
    data = ray.data.from_items(items, override_num_blocks=32)
    data = data.map_batches(check, batch_format="pandas")
    data = data.map_batches(
        Answer, fn_constructor_args=[url], batch_format="pandas", batch_size=32, concurrency=1, num_cpus=0.5
    )
    answered = data.sort("id").to_pandas()
    answered.loc[answered.duplicated("answer") & (answered["status"] == "kept"), "status"] = "duplicate"
    drawn = ray.data.from_pandas(answered).repartition(32).map_batches(draw, batch_format="pandas").materialize()
    drawn.write_parquet(str(out))
    print(int((answered["status"] == "kept").sum()))
    ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
