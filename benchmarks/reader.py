"""The reader of the streams benchmark, a process of its own: many streams on one connection to our hub.

`python -m benchmarks.reader PLACE`: the place is JSON with `url`, `token` and `hub` (its pids). The lines
that it then reads are `flow STREAMS TOKENS` and `paced STREAMS TOKENS TIMES`.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import socketio

from benchmarks.proc import cpu_ns
from benchmarks.stats import percentile
from benchmarks.worker import place, serve
from gleitzeit_extensions.protocol import CLIENTS, PROTO, WINDOW

PATIENCE = 120


class Stream:
    """One stream that is being read."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.first = 0.0
        """Seconds to the first token."""
        self.items = self.frames = 0
        self.over: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()


class Reader:
    def __init__(self, hub: list[int]) -> None:
        self.hub = hub
        self.client = socketio.AsyncClient(reconnection=False)
        self.numbers = itertools.count()
        self.streams: dict[str, Stream] = {}

    async def connect(self, url: str, token: str) -> None:
        for event, take in {"chunk": self.chunk, "end": self.end, "result": self.end}.items():
            self.client.on(event, take, namespace=CLIENTS)
        auth = {"proto": PROTO, "token": token}
        await self.client.connect(url, namespaces=[CLIENTS], transports=["websocket"], auth=auth)

    async def flow(self, streams: int, tokens: int) -> dict[str, Any]:
        """So many streams at once, as fast as they come."""
        cpu, began = sum(map(cpu_ns, self.hub)), time.perf_counter()
        await asyncio.gather(*(self.read("flow", tokens) for _ in range(streams)))
        took, cpu = time.perf_counter() - began, sum(map(cpu_ns, self.hub)) - cpu
        return {"tokens_per_s": streams * tokens / took, "hub_us": cpu / 1e3 / (streams * tokens)}

    async def paced(self, streams: int, tokens: int, times: int) -> dict[str, Any]:
        """So many streams at any time, each with a model's pace; how long each waited for its first token."""
        firsts: list[float] = []

        async def in_turn(delay: float) -> None:
            await asyncio.sleep(delay)  # users do not come all at once
            firsts.extend([await self.read("paced", tokens) for _ in range(times)])

        await asyncio.gather(*(in_turn(number / streams) for number in range(streams)))
        return {"p50_ms": percentile(firsts, 0.5) * 1e3, "p99_ms": percentile(firsts, 0.99) * 1e3}

    async def read(self, method: str, tokens: int) -> float:
        """Seconds to the first token of a stream that was read to its end."""
        number = str(next(self.numbers))
        stream = self.streams[number] = Stream()
        call = {"id": number, "provider": "tokens", "method": method, "args": {"count": tokens}}
        await self.client.emit("invoke", {**call, "stream": True}, namespace=CLIENTS)
        end = await asyncio.wait_for(stream.over, PATIENCE)
        if stream.items != tokens:
            raise SystemExit(f"a stream ended after {stream.items} of {tokens} tokens: {end}")
        return stream.first

    async def chunk(self, data: dict[str, Any]) -> None:
        stream = self.streams[data["id"]]
        stream.first = stream.first or time.perf_counter() - stream.began
        stream.items += len(data["d"])
        stream.frames += 1
        if stream.frames % (WINDOW // 2) == 0:
            await self.client.emit("credit", {"id": data["id"], "n": WINDOW // 2}, namespace=CLIENTS)

    def end(self, data: dict[str, Any]) -> None:
        self.streams.pop(data["id"]).over.set_result(data)


async def main(url: str, token: str, hub: list[int]) -> None:
    reader = Reader(hub)
    await reader.connect(url, token)
    await serve({"flow": reader.flow, "paced": reader.paced})
    await reader.client.disconnect()


if __name__ == "__main__":
    asyncio.run(main(**place()))
