"""A connection's packets go out in their order, nobody waits for who does not read, and silence ends it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace

import engineio
import pytest
from aiohttp import WSMessage, WSMsgType

from gleitzeitd.hub.wire.connection import AT_ONCE, DirectSocket

pytestmark = pytest.mark.anyio
PATIENCE = 5.0


class Peer:
    """The other end: what it was sent, and whether it takes anything."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.takes = asyncio.Event()
        self.takes.set()
        self.says: asyncio.Queue[str | None] = asyncio.Queue()
        self.hung_up = False

    # A WebSocket, as aiohttp has it.
    async def send_str(self, frame: str) -> None:
        self.got.append(frame)
        await self.takes.wait()

    async def receive(self) -> WSMessage:
        frame = await self.says.get()
        return WSMessage(WSMsgType.CLOSED if frame is None else WSMsgType.TEXT, frame, None)

    async def close(self) -> None:
        pass


class Wire(asyncio.Transport):
    """The transport of such a WebSocket."""

    def __init__(self, peer: Peer) -> None:
        super().__init__()
        self.peer = peer

    def get_write_buffer_size(self) -> int:
        return 0 if self.peer.takes.is_set() else 1

    def abort(self) -> None:
        self.peer.hung_up = True
        self.peer.takes.set()
        self.peer.says.put_nowait(None)


@asynccontextmanager
async def connected(patience: float = PATIENCE) -> AsyncIterator[SimpleNamespace]:
    heard, peer = list[str](), Peer()

    async def hear(_: str, text: str) -> None:
        heard.append(text)
        if text == "mistake":
            raise ZeroDivisionError

    half, log = patience / 2, logging.getLogger("engineio")
    server = engineio.AsyncServer(async_mode="aiohttp", ping_interval=half, ping_timeout=half, logger=log)
    server.on("message", hear)
    socket = DirectSocket(server, "sid")
    socket.transport = Wire(peer)
    reading = asyncio.create_task(socket._websocket_handler(SimpleNamespace(_sock=peer, portion=None)))
    await until(lambda: socket._writer_waits)
    yield SimpleNamespace(peer=peer, socket=socket, heard=heard, reading=reading)
    socket.transport.abort()
    await asyncio.wait_for(reading, PATIENCE)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110 (there is nobody who could set an event)
            await asyncio.sleep(0)


async def test_a_packet_is_written_where_it_is_sent() -> None:
    async with connected() as it:
        await it.socket.say("a")

        assert it.peer.got == ["4a"]


async def test_what_is_small_never_overtakes_what_is_large() -> None:
    large = "x" * (AT_ONCE + 1)
    async with connected() as it:
        sent = ["a", large, "b", large, "c", "d"]
        for text in sent:
            await it.socket.say(text)
        await until(lambda: len(it.peer.got) == len(sent))

        assert it.peer.got == [f"4{text}" for text in sent]


async def test_nobody_waits_for_a_peer_that_takes_nothing() -> None:
    async with connected() as it:
        it.peer.takes.clear()
        async with asyncio.timeout(PATIENCE):
            for number in range(100):
                await it.socket.say(str(number))
        assert len(it.peer.got) <= 1, "the rest waits in the queue"

        it.peer.takes.set()
        await until(lambda: len(it.peer.got) == 100)
        await it.socket.say("last")
        await until(lambda: len(it.peer.got) == 101)
        assert it.peer.got == [f"4{text}" for text in (*range(100), "last")]


async def test_a_mistake_in_one_packet_leaves_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    async with connected() as it:
        for text in ("one", "mistake", "two"):
            it.peer.says.put_nowait(f"4{text}")
        await until(lambda: len(it.heard) == 3)

        assert not it.reading.done()
        assert "ZeroDivisionError" in caplog.text


async def test_a_peer_that_is_silent_is_hung_up_on() -> None:
    async with connected(patience=0.1) as it:
        it.peer.takes.clear()
        await it.socket.say("x" * (AT_ONCE + 1))
        await asyncio.wait_for(asyncio.shield(it.reading), PATIENCE)

        assert it.peer.hung_up


async def test_who_could_not_be_heard_while_we_stood_still_stays() -> None:
    """Seen to fail with silence that is measured alone: a daemon that was stopped lost everybody."""
    async with connected(patience=0.2) as it:
        loop = asyncio.get_running_loop()
        time.sleep(0.5)  # noqa: ASYNC251 (the loop is to stand still)
        await until(lambda: it.peer.hung_up or it.socket._silence.when() > loop.time())

        assert not it.peer.hung_up


async def test_a_peer_that_speaks_stays() -> None:
    async with connected(patience=1.0) as it:
        for number in range(12):
            it.peer.says.put_nowait(f"4{number}")
            await asyncio.sleep(0.1)

        assert not it.peer.hung_up
