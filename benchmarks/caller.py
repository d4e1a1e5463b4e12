"""The caller of the relay benchmark, a process of its own: the same work through either hub.

`python -m benchmarks.caller PLACE`: the place is JSON with `kind`, `url`, `token` and `hub` (its pids). The
lines that it then reads are `WORK COUNT`, WORK being a method of `Work`.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks.connections import Bare, Caller, Gz
from benchmarks.proc import cpu_ns
from benchmarks.stats import percentile
from benchmarks.worker import place, serve

ARGS = {"task": "generate", "text": "x" * 100, "n": 7}
IN_FLIGHT = 64


class Work:
    """The measured work, and the hub's processor time while it is done."""

    def __init__(self, caller: Caller, hub: list[int]) -> None:
        self.caller = caller
        self.hub = hub

    def hub_us(self) -> float:
        return sum(map(cpu_ns, self.hub)) / 1e3

    async def one_by_one(self, calls: int) -> dict[str, Any]:
        took = []
        for _ in range(calls):
            began = time.perf_counter()
            await self.caller.call(ARGS)
            took.append((time.perf_counter() - began) * 1e6)
        return {"p50_us": percentile(took, 0.5), "p99_us": percentile(took, 0.99)}

    async def together(self, calls: int) -> dict[str, Any]:
        turns = iter(range(calls))

        async def worker() -> None:
            for _ in turns:
                await self.caller.call(ARGS)

        cpu, began = self.hub_us(), time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
        return {
            "calls_per_s": calls / (time.perf_counter() - began),
            "hub_us_per_call": (self.hub_us() - cpu) / calls,
        }

    async def stream(self, count: int) -> dict[str, Any]:
        cpu, began = self.hub_us(), time.perf_counter()
        await self.caller.stream(count)
        if self.caller.disorder:
            raise SystemExit("the items of a stream came out of order")
        return {
            "items_per_s": count / (time.perf_counter() - began),
            "hub_us_per_item": (self.hub_us() - cpu) / count,
        }


async def main(kind: str, url: str, token: str, hub: list[int]) -> None:
    caller = {"bare": Bare, "gz": Gz}[kind]()
    await caller.connect(url, token)
    if await caller.call(ARGS) != ARGS:
        raise SystemExit("the echo is not what was said")
    work = Work(caller, hub)
    await serve({work.__name__: work for work in (work.one_by_one, work.together, work.stream)})
    await caller.client.disconnect()


if __name__ == "__main__":
    asyncio.run(main(**place()))
