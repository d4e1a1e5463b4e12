"""Calls of a batch, over connections to the control socket that are kept: so many as calls are under way."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from gleitzeit_extensions.batch.engine import Answer, Away, Lost
from gleitzeit_extensions.protocol import MAX_FRAME

CONNECTING = 10.0
"""Seconds within which a daemon that is well lets somebody in."""
LONGEST_LINE = MAX_FRAME + 64 * 1024


class Calling:
    """Makes calls of the daemon at that socket."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __call__(self, call: Any) -> Answer:
        """Raises Away and Lost. To cancel it cancels the call."""
        reader, writer = self._idle.pop() if self._idle else await self._connected()
        is_whole = False
        try:
            answer = await self._asked(reader, writer, json.dumps(call).encode())
            is_whole = True
            return answer
        finally:
            if is_whole:
                self._idle.append((reader, writer))
            else:
                writer.close()

    async def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(CONNECTING):
                return await asyncio.open_unix_connection(self._path, limit=LONGEST_LINE)
        except (OSError, TimeoutError) as exc:
            raise Away(f"no daemon answers at {self._path}") from exc

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> Answer:
        head = (
            "POST /v1/invoke HTTP/1.1\r\nHost: gleitzeitd\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        try:
            writer.write(head.encode() + body)
            await writer.drain()
            size = await self._size(reader)
            told = json.loads(await reader.readexactly(size))
        except (OSError, EOFError, ValueError) as exc:
            raise Lost("the daemon ended while it had the call: nobody knows what became of it") from exc
        return {"error": told["error"]} if "error" in told else {"result": told["result"]}

    async def _size(self, reader: asyncio.StreamReader) -> int:
        """Of the body that follows. Raises ValueError for what is no such answer."""
        size = -1
        if not (await reader.readline()).startswith(b"HTTP/1.1 "):
            raise EOFError
        while line := (await reader.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
        if size < 0:
            raise ValueError("it has no length")
        return size
