"""One connection of a peer, read and written without python-engineio's detours.

For each packet the library makes a task that reads it, a task that waits for one to write, and a timer for
either: more than half of what a relayed call costs. Here a packet is read as it comes and written where it is
sent, as long as the peer takes what it is sent; else it waits in the library's queue for its turn.
"""

from __future__ import annotations

import asyncio
from typing import Any

from engineio.async_socket import AsyncSocket
from engineio.exceptions import SocketIsClosedError, UnknownPacketError
from engineio.packet import MESSAGE, Packet

AT_ONCE = 16 * 1024
"""Characters up to which a packet is written where it is sent: that never waits for the peer."""


class DirectSocket(AsyncSocket):  # type: ignore[misc]  # python-engineio has no types
    # Whatever is here has a default: the library makes its own class, which becomes this one.
    transport: asyncio.Transport | None = None
    """What the WebSocket writes to."""
    _websocket: Any = None
    _writer_waits = False
    """All that was queued is written."""
    _heard = 0.0
    """When the peer sent anything last."""
    _silence: asyncio.TimerHandle | None = None

    async def send(self, pkt: Any) -> None:
        if not await self.check_ping_timeout():
            return
        if self._may_write(pkt):
            await _written(self._websocket, pkt)
        else:
            self.queue.put_nowait(pkt)

    def _may_write(self, pkt: Any) -> bool:
        """Whether nothing is before it, and it can be written without waiting."""
        return (
            self._writer_waits
            and self.queue.empty()
            and self.transport is not None
            and not self.transport.get_write_buffer_size()
            and pkt.packet_type == MESSAGE
            and isinstance(pkt.data, str)
            and len(pkt.data) <= AT_ONCE
        )

    async def receive(self, pkt: Any) -> None:
        if pkt.packet_type == MESSAGE:
            await self.server.handlers["message"](self.sid, pkt.data)
        else:
            await super().receive(pkt)

    async def _websocket_handler(self, ws: Any) -> None:
        self.connected = self.upgraded = True
        self._websocket = ws
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        self._watch(loop)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write())
                await self._read(ws)
                self.queue.put_nowait(None)
        finally:
            # Watched until now: the writer may wait for a peer that takes nothing.
            if self._silence is not None:
                self._silence.cancel()
            await self.close(wait=False, abort=True, reason=self.server.reason.TRANSPORT_CLOSE)

    async def _read(self, ws: Any) -> None:
        """Hand on what comes, to the end of the connection."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                packet = Packet(encoded_packet=await ws.wait())
            except (OSError, ValueError):  # its end, or what is no packet
                return
            self._heard = loop.time()
            try:
                await self.receive(packet)
            except UnknownPacketError:
                continue
            except SocketIsClosedError:
                return
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
            if packet is None or not await _written(self._websocket, packet):
                await self._websocket.close()
                return

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hang up on who is silent for longer than a ping and its answer take."""
        patience = self.server.ping_interval + self.server.ping_timeout
        left = self._heard + patience - loop.time()
        if left > 0:
            self._silence = loop.call_later(left, self._watch, loop)
        elif self.transport is not None:
            self.transport.abort()


async def _written(websocket: Any, packet: Any) -> bool:
    """Write a packet; False when nobody is there any more, which who reads will notice."""
    try:
        await websocket.send(packet.encode())
    except (OSError, RuntimeError):
        return False
    return True
