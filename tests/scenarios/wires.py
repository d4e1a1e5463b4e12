"""Callers of a real daemon, many in one event loop: plain HTTP, and a stock Socket.IO client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import socketio

from gleitzeit_extensions.protocol import CLIENTS, CallError
from tests.house import House

MOST = 400
"""Connections at once: more would be more than a daemon has descriptors for."""


class Http:
    """Calls over the control socket."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    @staticmethod
    @asynccontextmanager
    async def to(h: House) -> AsyncIterator[Http]:
        connector = aiohttp.UnixConnector(str(h.socket), limit=MOST)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Http(session)

    async def invoke(self, provider: str, method: str, args: dict[str, Any], **more: Any) -> Any:
        """The result. Raises CallError."""
        body = {"method": method, "args": args, **more}
        async with self._session.post(f"http://d/v1/providers/{provider}/invoke", json=body) as answer:
            told = await answer.json()
        if "error" in told:
            raise CallError.read(told["error"])
        return told["result"]

    @asynccontextmanager
    async def stream(self, provider: str, args: dict[str, Any]) -> AsyncIterator[AsyncIterator[Any]]:
        """The lines of a stream; leaving the block breaks the connection."""
        body = {"method": "stream", "args": args}
        url = f"http://d/v1/providers/{provider}/stream"
        answer = await self._session.post(url, json=body, timeout=aiohttp.ClientTimeout(None))
        try:
            yield (json.loads(line) async for line in answer.content)
        finally:
            answer.close()


@asynccontextmanager
async def caller(h: House) -> AsyncIterator[Any]:
    """A Socket.IO client in the namespace of callers. At the end its connection is closed."""
    connector = aiohttp.UnixConnector(str(h.root / "run/hub/hub.sock"))
    async with aiohttp.ClientSession(connector=connector) as session:
        client = socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=session)
        token = (h.root / "run/token").read_text().strip()
        await client.connect(
            "http://hub",
            auth={"proto": 1, "token": token},
            namespaces=[CLIENTS],
            transports=["websocket"],
        )
        try:
            yield client
        finally:
            await client.disconnect()
