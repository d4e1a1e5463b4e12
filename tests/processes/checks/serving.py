"""Servers of every kind for the checks to ask: each on a port of its own, until the test ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import anyio.lowlevel

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """What it saw of those who asked."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.hung_up = 0
        self.requests: list[bytes] = []


@asynccontextmanager
async def serving(answer: bytes, again: bytes = b"") -> AsyncIterator[Server]:
    """Takes connections and requests, answers each with `answer`, and with `again` without end."""
    server = Server()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            server.requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            while again:
                writer.write(again)
                await writer.drain()
                await anyio.lowlevel.checkpoint()
            await reader.read()
        server.hung_up += 1
        writer.transport.abort()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()
