"""The server under a load that no client should be: 200 requests, 16 at a time, a third of them wrong or gone.

Starts `viscodex serve` on a tiny model as a process of its own, six rounds of the same load, and asks /health all the
while from another process. Then thousands of short answers, since allocators settle only after some 1,500. Asserts that
every answer is typed, that memory does not grow, that /health stays quick.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import PIL.Image

import result

REQUESTS, AT_A_TIME, ROUNDS = 200, 16, 6
TOKENS = 24
HEALTH_MS = 100.0
GROWTH = 0.05
"""Of memory, from the end of the first round to that of the last."""
BATCHES, SHORT = 16, 300
"""Of short answers: so many times so many."""
STEADY = 0.01
"""Growth of memory over the second half of the short answers."""
KEY = "a-key"


def picture(width: int, height: int) -> bytes:
    values = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(values).resize((width, height)).save(file, "PNG")
    return file.getvalue()


def bare(width: int, height: int, rows: bytes = b"") -> bytes:
    """A PNG that says what it likes about its size."""
    parts = [(b"IHDR", struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows, 9))]
    body = b"".join(
        struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
        for kind, data in (*parts, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + body


def body(data: bytes | None = None, **more: Any) -> bytes:
    content: list[dict[str, Any]] = [{"type": "text", "text": "Write this page."}]
    if data is not None:
        url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        content.insert(0, {"type": "image_url", "image_url": {"url": url, "detail": "high"}})
    messages = [{"role": "system", "content": "You write pages."}, {"role": "user", "content": content}]
    settings = {"model": "vlm", "messages": messages, "max_tokens": TOKENS, "temperature": 0.7, "seed": 1}
    return json.dumps(settings | more).encode()


class Load:
    """The kinds of visitors, by name; each returns what it met."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/v1/chat/completions"
        shot = picture(1280, 720)
        self.whole, self.stream = body(shot), body(shot, stream=True, stream_options={"include_usage": True})
        self.long = body(shot, stream=True, max_tokens=4000)
        self.short = body(picture(224, 224), max_tokens=2)
        self.bodies = {
            "bad JSON": b'{"model": "vlm", "messages": [',
            "50 MB": body(None) + b" " * 50_000_000,
            "decompression bomb": body(bare(30_000, 30_000, bytes(20_000_000))),
            "0 pixels": body(bare(0, 0)),
            "40 megapixels": body(bare(8000, 5000)),
        }

    def plan(self, seed: int) -> list[str]:
        names = ["whole"] * 70 + ["stream"] * 60 + ["vanishes"] * 20 + ["vanishes at once"] * 10 + ["stalls"] * 5
        names += ["wrong key"] * 10 + [name for name in self.bodies for _ in range(5)]
        assert len(names) == REQUESTS
        random.Random(seed).shuffle(names)
        return names

    async def visit(self, name: str, client: httpx2.AsyncClient) -> str:
        if name in ("vanishes", "vanishes at once", "stalls"):
            return await self._rude(name)
        key = "wrong" if name == "wrong key" else KEY
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        own = {"whole": self.whole, "stream": self.stream, "wrong key": self.whole, "short": self.short}
        content = own.get(name)
        reply = await client.post(self.url, content=content or self.bodies[name], headers=headers)
        return self._met(reply)

    def _met(self, reply: httpx2.Response) -> str:
        """200 and a whole answer, or a status and the code of a typed error; anything else is a failure."""
        if reply.status_code != 200:
            error = reply.json()["error"]
            assert set(error) == {"message", "type", "param", "code"}, error
            return f"{reply.status_code} {error['code']}"
        if reply.headers["content-type"].startswith("text/event-stream"):
            assert reply.text.endswith("data: [DONE]\n\n"), reply.text[-200:]
        else:
            assert reply.json()["choices"][0]["finish_reason"] in ("stop", "length")
        return "200"

    async def _rude(self, name: str) -> str:
        content = self.long
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(head.encode() + (content[:1000] if name == "stalls" else content))
        await writer.drain()
        if name == "stalls":
            found = await reader.read()
            writer.close()
            return found.split(b" ", 2)[1].decode() + " " + json.loads(found.rpartition(b"\r\n")[2])["error"]["code"]
        if name == "vanishes":
            await reader.read(400)
        writer.transport.abort()
        return "gone"


async def round_of(load: Load, plan: list[str]) -> Counter[tuple[str, str]]:
    met: Counter[tuple[str, str]] = Counter()
    gate = asyncio.Semaphore(AT_A_TIME)
    async with httpx2.AsyncClient(timeout=600) as client:

        async def one(name: str) -> None:
            async with gate:
                met[name, await load.visit(name, client)] += 1

        await asyncio.gather(*(one(name) for name in plan))
        while await is_busy(client, load.port):
            await asyncio.sleep(0.1)
    return met


async def is_busy(client: httpx2.AsyncClient, port: int) -> bool:
    state = (await client.get(f"http://127.0.0.1:{port}/health")).json()
    return bool(state["requests"] or state["running"])


WATCH = """
import http.client, sys, time
while True:
    began = time.perf_counter()
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30); c.request("GET", "/health")
    assert c.getresponse().read(); c.close()
    print(1000 * (time.perf_counter() - began), flush=True); time.sleep(0.05)
"""


FLOOR = """
import asyncio
async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.0 200 OK\\r\\n\\r\\nok")
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True); await server.serve_forever()
asyncio.run(main())
"""


class Watch:
    """Asks a port for /health again and again, from a process of its own."""

    def __init__(self, port: int) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen([sys.executable, "-c", WATCH, str(port)], stdout=self._log)

    def begin(self) -> None:
        """What came until now does not count."""
        self._log.seek(0)
        self._log.truncate()

    def end(self) -> dict[str, float]:
        self._process.kill()
        self._process.wait()
        self._log.seek(0)
        times = [float(line.strip("\0")) for line in self._log.read().split()]
        return {f"p{q}": round(float(np.percentile(times, q)), 1) for q in (50, 95, 99, 100)} | {"looks": len(times)}


def memory(pid: int) -> int:
    return next(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").open() if line.startswith("VmRSS")) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, nothing written")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        from viscodex.model.tiny import write_trio

        model = write_trio(Path(folder) / "tiny").vlm
        words = [sys.executable, "-m", "viscodex", "serve", str(model), "--port", "0", "--set", "body_s=5"]
        environment = os.environ | {"VISCODEX_API_KEYS": KEY, "OMP_NUM_THREADS": "1"}
        with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as server:
            try:
                measure(server, 1 if quick else ROUNDS, quick)
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(60)
        assert server.returncode == 0, f"the server ended with {server.returncode}"


def measure(server: subprocess.Popen[str], rounds: int, quick: bool) -> None:
    assert server.stdout
    port = int(server.stdout.readline().rstrip().removesuffix("/v1").rpartition(":")[2])
    with subprocess.Popen([sys.executable, "-c", FLOOR], stdout=subprocess.PIPE, text=True) as floor:
        assert floor.stdout
        watches = {"/health": Watch(port), "a server that does nothing": Watch(int(floor.stdout.readline()))}
        load = Load(port)
        asyncio.run(round_of(load, load.plan(99)))  # warm: first uses, arenas, caches
        for watch in watches.values():
            watch.begin()
        rows: list[dict[str, Any]] = []
        met: Counter[tuple[str, str]] = Counter()
        for number in range(rounds):
            began = time.monotonic()
            found = asyncio.run(round_of(load, load.plan(number)))
            met += found
            seconds = round(time.monotonic() - began, 1)
            time.sleep(3)  # what is held after a rest is held for good
            answered = sum(count for (_, what), count in found.items() if what == "200")
            row = {"round": number + 1, "seconds": seconds, "answered": answered}
            rows.append({**row, "memory (MB)": round(memory(server.pid) / 1e6, 1)})
            print(rows[-1], flush=True)
        health = {name: watch.end() for name, watch in watches.items()}
        floor.kill()
    table = {f"{name}: {what}": count for (name, what), count in sorted(met.items())}
    print(json.dumps({"ms": health, "met": table}, indent=2))
    if not quick:
        report(rows, health, table, steady(load, server.pid))


def steady(load: Load, pid: int) -> list[float]:
    """Memory (MB) after each batch of short answers."""
    found = []
    for _ in range(BATCHES):
        asyncio.run(round_of(load, ["short"] * SHORT))
        time.sleep(3)
        found.append(round(memory(pid) / 1e6, 1))
        print(found[-1], flush=True)
    return found


def report(
    rows: list[dict[str, Any]], health: dict[str, dict[str, float]], met: dict[str, int], later: list[float]
) -> None:
    grown = rows[-1]["memory (MB)"] / rows[0]["memory (MB)"] - 1
    half = len(later) // 2
    drift = later[-1] / later[half - 1] - 1
    ours, nothing = health.values()
    notes = (
        f"{REQUESTS} requests a round, {AT_A_TIME} at a time: {130 / 2:.0f} % ask properly, the others vanish, stall, "
        "send 50 MB, bombs, wrong keys, bad JSON. Each answer was typed. "
        f"Memory grew by {100 * grown:.1f} % from the first round's end to the last's; over the second half of "
        f"{len(later) * SHORT:,} short answers after that, by {100 * drift:.1f} %. /health took {ours['p50']} ms "
        f"(median) and {ours['p99']} ms (p99) of {ours['looks']} looks; a server that does nothing, at the same time, "
        f"{nothing['p50']} and {nothing['p99']} ms. Load average: {os.getloadavg()[0]:.1f}. "
        f"Targets on a quiet machine: p99 at most {HEALTH_MS:.0f} ms, memory flat."
    )
    print(result.write("serve", "The server under a rude load", rows, notes, health=health, met=met, later=later))
    assert grown <= GROWTH, f"memory grew by {100 * grown:.1f} %"
    assert drift <= STEADY, f"memory drifts by {100 * drift:.1f} %"
    assert ours["p99"] <= HEALTH_MS, f"/health took {ours['p99']} ms"


if __name__ == "__main__":
    main()
