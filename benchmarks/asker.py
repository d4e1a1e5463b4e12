"""The caller of the gateway benchmark, a process of its own: the same POST to either gateway.

`python -m benchmarks.asker PLACE`: the place is JSON with `url`, `token`, `body`, and the `answer` that
has to be in what comes back. The lines that it then reads are `one_by_one COUNT` and
`together COUNT AT_ONCE`.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp

from benchmarks.stats import percentile
from benchmarks.worker import place, serve


class Asker:
    def __init__(self, session: aiohttp.ClientSession, url: str, body: dict[str, Any], answer: str) -> None:
        self.session = session
        self.url = url
        self.body = body
        self.answer = answer

    async def ask(self) -> float:
        """Seconds that the answer took."""
        began = time.perf_counter()
        async with self.session.post(self.url, json=self.body) as response:
            said = await response.text()
        if response.status != 200 or self.answer not in said:
            raise SystemExit(f"{self.url} answered with {response.status}: {said[:500]}")
        return time.perf_counter() - began

    async def one_by_one(self, count: int) -> dict[str, Any]:
        took = [await self.ask() * 1e3 for _ in range(count)]
        return {"p50_ms": percentile(took, 0.5), "p99_ms": percentile(took, 0.99)}

    async def together(self, count: int, at_once: int) -> dict[str, Any]:
        turns, took = iter(range(count)), list[float]()

        async def worker() -> None:
            for _ in turns:
                took.append(await self.ask() * 1e3)

        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(at_once)))
        return {
            "per_s": count / (time.perf_counter() - began),
            "together_p99_ms": percentile(took, 0.99),
        }


async def main(url: str, token: str, body: dict[str, Any], answer: str) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        asker = Asker(session, url, body, answer)
        await asker.ask()
        await serve({"one_by_one": asker.one_by_one, "together": asker.together})


if __name__ == "__main__":
    asyncio.run(main(**place()))
