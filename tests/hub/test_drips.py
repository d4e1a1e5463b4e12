"""Whoever sends a byte now and then, and never ends what it began, is hung up on all the same.

What counts is when something was begun. The times are shorter here, so that the bytes come as often as they
would if it took minutes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from gleitzeit_extensions.protocol import CLIENTS, CallError
from gleitzeitd.control import bodies
from gleitzeitd.hub.access import crowd, idle
from gleitzeitd.hub.access.refusals import refused
from tests.hub.peers import PATIENCE, Site, site
from tests.hub.raw import nothing_is_left
from tests.hub.test_strangers import HANDSHAKE

pytestmark = pytest.mark.anyio
SHORT = 0.2
PAUSE = SHORT / 20
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def over_tcp(hub: Site) -> Streams:
    return await asyncio.open_connection("127.0.0.1", hub.port)


async def by_the_unix_socket(hub: Site) -> Streams:
    return await asyncio.open_unix_connection(hub.path)


@asynccontextmanager
async def dripping(streams: Streams, begun: bytes, drop: bytes) -> AsyncIterator[Awaitable[bytes]]:
    """Somebody who sends `drop` again and again; all that is answered until it is hung up on."""
    reader, writer = streams

    async def drip() -> None:
        with suppress(OSError):
            while True:
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(PAUSE)

    async def answered() -> bytes:
        answer = b""
        # what was not read of it resets the connection
        with suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                while more := await reader.read(65536):
                    answer += more
        return answer

    writer.write(begun)
    drips = asyncio.create_task(drip())
    try:
        yield answered()
    finally:
        drips.cancel()
        writer.close()


@pytest.mark.parametrize("door", [over_tcp, by_the_unix_socket])
@pytest.mark.parametrize(
    "begin", [b"GET /", b"GET /livez HTTP/1.1\r\nHost: localhost\r\nA: "], ids=["a line", "a header"]
)
async def test_a_request_that_never_ends_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, door: Callable[[Site], Awaitable[Streams]], begin: bytes
) -> None:
    monkeypatch.setattr(idle, "IDLE_TIME", SHORT)
    async with site() as hub:
        joined = await hub.peer(CLIENTS)
        async with dripping(await door(hub), begin, b"x") as answered:
            assert await answered == b""
        assert joined.client.connected


async def test_a_handshake_after_which_no_token_comes_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither for who sends pings, nor for who sends a message byte by byte."""
    monkeypatch.setattr(crowd, "JOIN_TIME", SHORT)
    ping, part = b"\x89\x80" + bytes(4), b"\x00\x81" + bytes(4) + b"x"
    for begin, drop in ((b"", ping), (b"\x01\x81" + bytes(4) + b"4", part)):
        async with site() as hub:
            begun = HANDSHAKE.encode() + begin
            async with dripping(await over_tcp(hub), begun, drop) as answered:
                assert b" 101 " in await answered
            await nothing_is_left(hub, 0)


async def test_a_body_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def take(request: web.Request) -> web.StreamResponse:
        try:
            await bodies.body_of(request)
        except CallError as exc:
            return refused(exc)
        return web.Response()

    monkeypatch.setattr(bodies, "BODY_TIME", SHORT)
    monkeypatch.setattr(idle, "IDLE_TIME", SHORT)
    app = web.Application()
    app.router.add_post("/", take)
    begun = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    async with site(app=app) as hub, dripping(await over_tcp(hub), begun, b" ") as answered:
        head, _, body = (await answered).partition(b"\r\n\r\n")
    assert b" 504 " in head
    assert json.loads(body)["error"]["code"] == "deadline_exceeded"
