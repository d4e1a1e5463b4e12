"""One connection of a peer, read and written without python-engineio's detours.

For each packet the library makes a task that reads it, a task that waits for one to write, and a timer for
either: more than half of what a relayed call costs. Here a packet is read as it comes and written where it is
sent, as long as the peer takes what it is sent; else it waits in the library's queue for its turn.

It also measures with the wall clock how long a peer has owed it an answer to a ping: when that clock is set
forward, whoever owes one is dropped. Here whoever was not heard of for too long is hung up on, by the clock
that never jumps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import WSMsgType, web
from engineio.async_socket import AsyncSocket
from engineio.exceptions import SocketIsClosedError
from engineio.packet import MESSAGE, Packet

from gleitzeitd.hub.wire.websocket import Portion

AT_ONCE = 16 * 1024
"""Characters up to which a message is written where it is sent: that never waits for the peer."""


class DirectSocket(AsyncSocket):  # type: ignore[misc]  # python-engineio has no types
    # Whatever is here has a default: the library makes its own class, which becomes this one.
    transport: asyncio.Transport | None = None
    """What the WebSocket writes to."""
    _websocket: web.WebSocketResponse
    _portion: Portion
    _writer_waits = False
    """All that was queued is written."""
    _heard = 0.0
    """When the peer sent anything last."""
    _silence: asyncio.TimerHandle | None = None

    async def check_ping_timeout(self) -> bool:
        """Asked by the library before each packet of its own."""
        if self.closed:
            raise SocketIsClosedError
        return True

    async def say(self, text: str) -> None:
        """Send a message; the peer may be gone before it has it."""
        if self._may_write(text):
            await self._written(f"{MESSAGE}{text}")
        else:
            self.queue.put_nowait(Packet(MESSAGE, text))

    def let_in(self) -> None:
        """It has shown a token."""
        self._portion.lift()

    async def hang_up(self) -> None:
        """Close it once what is queued is written."""
        await self.close(wait=False)
        self.queue.put_nowait(None)

    def _may_write(self, text: str) -> bool:
        """Whether nothing is before it, and it can be written without waiting."""
        return (
            self._writer_waits
            and self.queue.empty()
            and self.transport is not None
            and not self.transport.get_write_buffer_size()
            and len(text) <= AT_ONCE
        )

    async def handle_get_request(self, environ: Mapping[str, Any]) -> Any:
        """The connection from its handshake to its end: nothing is left of it, however that comes."""
        try:
            return await self._upgrade_websocket(environ)
        except web.HTTPBadRequest as exc:
            return self.server._bad_request(exc.text)
        finally:
            await self.close(wait=False, abort=True, reason=self.server.reason.TRANSPORT_CLOSE)
            self.server.sockets.pop(self.sid, None)

    async def _websocket_handler(self, ws: Any) -> None:
        self.connected = self.upgraded = True
        # What the library wraps: the wrapper inspects it for each packet.
        self._websocket, self._portion = ws._sock, ws.portion
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        self._watch(loop, self._heard)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write())
                await self._read(loop)
                self.queue.put_nowait(None)
        finally:
            # Watched until now: the writer may wait for a peer that takes nothing.
            if self._silence is not None:
                self._silence.cancel()

    async def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand on what comes, to the end of the connection."""
        take = self.server.handlers["message"]
        # Whoever makes no sense was closed by who took its message.
        while not self.closed:
            kind, data, _ = await self._websocket.receive()
            self._heard = loop.time()
            if kind is WSMsgType.BINARY:
                continue  # It belongs to a packet that was told that nobody takes it.
            if kind is not WSMsgType.TEXT:
                return
            if data == "3":
                self.schedule_ping()
                continue
            if data[:1] != "4":  # its farewell, or what is no packet
                return
            try:
                await take(self.sid, data[1:])
            except Exception:
                # The library's edge: one packet's mistake of ours must not take the connection with it.
                self.server.logger.exception("packet failed")

    async def _write(self) -> None:
        """Write what is queued, to the end of the connection."""
        while True:
            self._writer_waits = True
            packet = await self.queue.get()
            self._writer_waits = False
            self.queue.task_done()
            if packet is None or not await self._written(packet.encode()):
                await self._websocket.close()
                return

    async def _written(self, frame: str) -> bool:
        """Write a packet; False when nobody is there any more, which who reads will notice."""
        try:
            await self._websocket.send_str(frame)
        except (OSError, RuntimeError):
            return False
        return True

    def _watch(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        """Hang up on who is silent for longer than a ping and its answer take."""
        now = loop.time()
        if now - due > self.server.ping_timeout / 2:
            # It was us who did not listen.
            self._heard = now
        due = self._heard + self.server.ping_interval + self.server.ping_timeout
        if due > now:
            self._silence = loop.call_at(due, self._watch, loop, due)
        elif self.transport is not None:
            self.transport.abort()
