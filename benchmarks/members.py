"""Providers that only stay connected, as many as wanted, in one process: the crowd of the crowd benchmark.

`python -m benchmarks.members PLACE`: the place is JSON with `kind`, `url` and `token`. The lines that it then
reads are `join COUNT`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import aiohttp
import socketio

from benchmarks.worker import place, serve
from gleitzeit_extensions.protocol import PROTO, PROVIDERS

AT_ONCE = 20
"""That connect at the same time."""


class Members:
    def __init__(self, kind: str, url: str, token: str, http: aiohttp.ClientSession) -> None:
        self.join_one: Callable[[int], Any] = {"bare": self.bare, "gz": self.gz}[kind]
        self.url = url
        self.token = token
        self.http = http
        self.numbers = itertools.count()
        self.clients: list[socketio.AsyncClient] = []

    async def join(self, count: int) -> dict[str, Any]:
        numbers = [next(self.numbers) for _ in range(count)]
        for some in itertools.zip_longest(*[iter(numbers)] * AT_ONCE):
            await asyncio.gather(*(self.join_one(number) for number in some if number is not None))
        return {"members": len(self.clients)}

    async def bare(self, number: int) -> None:
        client = self.client()
        await client.connect(self.url, transports=["websocket"])
        await client.call("register", f"x{number}")

    async def gz(self, number: int) -> None:
        client, auth = self.client(), {"proto": PROTO, "token": self.token}
        await client.connect(self.url, namespaces=[PROVIDERS], transports=["websocket"], auth=auth)
        answer = await client.call("register", {"name": f"x{number}", "type": "tool"}, namespace=PROVIDERS)
        if not answer["ok"]:
            raise SystemExit(f"a member was not registered: {answer}")

    def client(self) -> socketio.AsyncClient:
        client = socketio.AsyncClient(reconnection=False, http_session=self.http, handle_sigint=False)
        self.clients.append(client)
        return client


async def main(kind: str, url: str, token: str) -> None:
    # it would else have no more than 100 connections at once
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        await serve({"join": Members(kind, url, token, http).join})


if __name__ == "__main__":
    asyncio.run(main(**place()))
