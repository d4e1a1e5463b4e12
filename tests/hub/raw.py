"""A peer that sends what no Socket.IO library would, and what the hub says of its own mistakes meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import aiohttp
import structlog

from gleitzeit_extensions.protocol import TRANSPORT_LIMIT
from tests.hub.peers import LOCAL, PATIENCE, Site, until


class Raw:
    """A WebSocket, and nothing on top of it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, frame: str | bytes) -> None:
        """Send it, if the hub still listens."""
        with suppress(OSError, aiohttp.ClientError):
            if isinstance(frame, str):
                await self.socket.send_str(frame)
            else:
                await self.socket.send_bytes(frame)

    async def say(self, namespace: str, event: str, *data: Any, number: str = "") -> None:
        await self.send(f"42{namespace},{number}{json.dumps([event, *data])}")

    async def until(self, begin: str) -> str:
        """The rest of the next frame that begins so."""
        while True:
            frame = await self.socket.receive(PATIENCE)
            assert isinstance(frame.data, str), f"the hub hung up before {begin}"
            if frame.data.startswith(begin):
                return frame.data.removeprefix(begin)

    async def enter(self, namespace: str, token: object = LOCAL) -> None:
        """Connect to a namespace."""
        await self.send(f"40{namespace},{json.dumps({'proto': 1, 'token': token})}")
        await self.until(f"40{namespace},")

    async def closed(self) -> None:
        """Wait until the hub has hung up."""
        async with asyncio.timeout(PATIENCE):
            while not self.socket.closed:
                await self.socket.receive()


@asynccontextmanager
async def raw(hub: Site) -> AsyncIterator[Raw]:
    """Connected, and let in to no namespace yet."""
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(hub.path)) as session,
        session.ws_connect(
            "http://hub/socket.io/?EIO=4&transport=websocket", max_msg_size=TRANSPORT_LIMIT
        ) as socket,
    ):
        peer = Raw(socket)
        await peer.until("0")
        yield peer


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(f"{record.name}: {record.getMessage()}")


@contextmanager
def no_mistake_of_ours() -> Iterator[None]:
    """Whatever comes, neither the hub nor a library nor the loop reports an exception."""
    errors = _Errors()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.said.append(str(context)))
    logging.getLogger().addHandler(errors)
    try:
        with structlog.testing.capture_logs() as logs:
            yield
    finally:
        logging.getLogger().removeHandler(errors)
        loop.set_exception_handler(None)
    assert errors.said == []
    assert [entry for entry in logs if entry["log_level"] in ("error", "critical")] == []


async def nothing_is_left(hub: Site, peers: int) -> None:
    """Wait until the hub's tables hold no more than what belongs to so many connections."""
    sio = hub.hub._sio

    def held() -> list[int]:
        rooms = sio.manager.rooms.values()
        return [
            sum(not socket.closed for socket in sio.eio.sockets.values()),
            len(sio.environ),
            sum(len(rooms[None]) for rooms in rooms),
        ]

    await until(lambda: held() == [peers] * 3)
    assert sio.manager.callbacks == sio.manager.pending_connect == sio._binary_packet == {}
