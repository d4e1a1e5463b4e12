"""The relay's yardstick: a hub and a provider on bare python-socketio and aiohttp.

They know no deadlines, errors or credit: what is built on the same libraries can only do more for each call.
`python -m benchmarks.bare hub` prints its port, `python -m benchmarks.bare provider URL` when it is ready.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import socketio
from aiohttp import web


async def hub() -> None:
    server = socketio.AsyncServer(async_mode="aiohttp")
    sids: dict[str, str] = {}

    async def register(sid: str, role: str) -> bool:
        sids[role] = sid
        return True

    async def invoke(sid: str, data: Any) -> Any:
        return await server.call("invoke", data, to=sids["provider"], timeout=60)

    async def stream(sid: str, count: int) -> None:
        sids["caller"] = sid
        await server.emit("stream", count, to=sids["provider"])

    async def chunk(sid: str, data: Any) -> None:
        await server.emit("chunk", data, to=sids["caller"])

    for handler in (register, invoke, stream, chunk):
        server.on(handler.__name__, handler)
    app = web.Application()
    server.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def provider(url: str) -> None:
    client = socketio.AsyncClient()

    async def invoke(data: Any) -> Any:
        return data

    async def stream(count: int) -> None:
        for number in range(count):
            await client.emit("chunk", {"token": "hello ", "i": number})

    for handler in (invoke, stream):
        client.on(handler.__name__, handler)
    await client.connect(url, transports=["websocket"])
    await client.call("register", "provider")
    print("ready", flush=True)
    await client.wait()


if __name__ == "__main__":
    asyncio.run(hub() if sys.argv[1] == "hub" else provider(sys.argv[2]))
