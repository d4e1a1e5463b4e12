"""Connections whose pings are measured by a clock that never jumps, and that end when a peer makes no sense.

python-engineio measures with the wall clock how long a peer has owed it an answer. When that clock is set
forward by more than the time a peer has, every connection that owes one is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from time import monotonic
from typing import Any

import socketio
import structlog
from engineio.exceptions import SocketIsClosedError
from socketio.packet import ACK, CONNECT, DISCONNECT, Packet

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.wire import packets
from gleitzeitd.hub.wire.connection import DirectSocket

log = structlog.get_logger("gleitzeitd")


class SteadySocket(DirectSocket):
    """One connection, whose last ping was as long ago by the wall clock as it was by the steady one."""

    _pinged_at: float | None = None

    @property
    def last_ping(self) -> float | None:
        return None if self._pinged_at is None else time.time() - (monotonic() - self._pinged_at)

    @last_ping.setter
    def last_ping(self, now: float | None) -> None:
        self._pinged_at = None if now is None else monotonic()

    async def receive(self, pkt: Any) -> None:
        await super().receive(pkt)
        if self.closed:
            # The library would go on reading for as long as the peer likes.
            raise SocketIsClosedError

    async def _websocket_handler(self, ws: Any) -> None:
        await super()._websocket_handler(packets.Frames(ws))

    async def _upgrade_websocket(self, environ: Mapping[str, Any]) -> Any:
        try:
            return await super()._upgrade_websocket(environ)
        except Exception:
            # The library leaves it open when the handshake fails.
            await self.close(wait=False, abort=True)
            raise


class SteadyServer(socketio.AsyncServer):  # type: ignore[misc]  # python-socketio has no types
    size = 0
    """Bytes of the packet that is being handled: handlers run to their end before the next is read."""

    async def _handle_eio_connect(self, eio_sid: str, environ: Mapping[str, Any]) -> Any:
        # The library names the class of its connections where nobody can choose another.
        connection = self.eio.sockets[eio_sid]
        connection.__class__ = SteadySocket
        connection.last_ping = time.time()
        connection.transport = environ["aiohttp.request"].transport
        return await super()._handle_eio_connect(eio_sid, environ)

    async def _handle_eio_message(self, eio_sid: str, data: object) -> None:
        if isinstance(data, bytes):
            return  # It belongs to a packet that was told that nobody takes it.
        try:
            packet, flaw = packets.read(data)
        except packets.MalformedError as exc:
            log.warning("connection closed: it speaks no Socket.IO", reason=str(exc)[:200])
            await self.eio.sockets[eio_sid].close(wait=False)
            return
        self.size = packets.size(str(data))
        if flaw is not None:
            answer = packets.as_failure(packet, flaw)
            if answer is None:
                await self._complain(eio_sid, packet, flaw)
                return
            packet = answer
        await self._handle(eio_sid, packet)

    async def _handle(self, eio_sid: str, packet: Packet) -> None:
        match packet.packet_type:
            case kind if kind == CONNECT:
                await self._handle_connect(eio_sid, packet.namespace, packet.data)
            case kind if kind == DISCONNECT:
                await self._handle_disconnect(eio_sid, packet.namespace, self.reason.CLIENT_DISCONNECT)
            case kind if kind == ACK:
                await self._handle_ack(eio_sid, packet.namespace, packet.id, packet.data)
            case _:
                await self._handle_event(eio_sid, packet.namespace, packet.id, packet.data)

    async def _complain(self, eio_sid: str, packet: Packet, error: CallError) -> None:
        if sid := self.manager.sid_from_eio_sid(eio_sid, packet.namespace):
            await self.emit("error", error.wire(), room=sid, namespace=packet.namespace)
