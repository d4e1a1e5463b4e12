"""The Socket.IO server: packets to handlers and connections, without python-socketio's detours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from socketio.packet import ACK, CONNECT, DISCONNECT

from gleitzeit_extensions.lean import socketio
from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.wire import packets
from gleitzeitd.hub.wire.connection import DirectSocket
from gleitzeitd.hub.wire.packets import Packet
from gleitzeitd.hub.wire.websocket import MOST_OF_A_STRANGER, WebSocket


class DirectServer(socketio.AsyncServer):  # type: ignore[misc]  # python-socketio has no types
    """Its handlers are coroutine functions that take whatever a peer may send."""

    size = 0
    """Bytes of the packet that is being handled: handlers run to their end before the next is read."""

    def __init__(self, turned_away: Callable[[CallError], object], **options: Any) -> None:
        """`turned_away` is told why somebody was hung up on."""
        super().__init__(**options)
        self._turned_away = turned_away
        self.eio._async = {**self.eio._async, "websocket": partial(WebSocket, self._sends_too_much)}

    async def _handle_eio_connect(self, eio_sid: str, environ: Mapping[str, Any]) -> Any:
        # The library names the class of its connections where nobody can choose another.
        connection = self.eio.sockets[eio_sid]
        connection.__class__ = DirectSocket
        connection.transport = environ["aiohttp.request"].transport
        return await super()._handle_eio_connect(eio_sid, environ)

    async def _handle_eio_message(self, eio_sid: str, data: str) -> None:
        try:
            packet, flaw = packets.read(data)
        except packets.MalformedError as exc:
            self._turned_away(CallError("protocol", f"a connection speaks no Socket.IO: {exc}"[:200]))
            await self.eio.sockets[eio_sid].close(wait=False)
            return
        self.size = packets.size(data)
        if flaw is not None:
            answer = packets.as_failure(packet, flaw)
            if answer is None:
                await self._complain(eio_sid, packet, flaw)
                return
            packet = answer
        await self._handle(eio_sid, packet)

    async def _handle(self, eio_sid: str, packet: Packet) -> None:
        match packet.kind:
            case kind if kind == CONNECT:
                await self._handle_connect(eio_sid, packet.namespace, packet.data)
                self._let_in(eio_sid, packet.namespace)
            case kind if kind == DISCONNECT:
                await self._handle_disconnect(eio_sid, packet.namespace, self.reason.CLIENT_DISCONNECT)
                await self._hang_up_if_alone(eio_sid)
            case kind if kind == ACK:
                await self._handle_ack(eio_sid, packet.namespace, packet.number, packet.data)
            case _:
                await self._handle_event(eio_sid, packet.namespace, packet.number, packet.data)

    def _sends_too_much(self) -> None:
        most = f"{MOST_OF_A_STRANGER // 1024} KiB"
        self._turned_away(CallError("too_large", f"a connection sent over {most} and joined nothing"))

    def _let_in(self, eio_sid: str, namespace: str) -> None:
        """Who is in a namespace may send as much as a message may have."""
        if self.manager.sid_from_eio_sid(eio_sid, namespace):
            self.eio.sockets[eio_sid].let_in()

    async def disconnect(self, sid: str, namespace: str, **_: object) -> None:
        """Send a peer away from a namespace."""
        eio_sid = self.manager.eio_sid_from_sid(sid, namespace)
        await super().disconnect(sid, namespace)
        await self._hang_up_if_alone(eio_sid)

    async def _hang_up_if_alone(self, eio_sid: str | None) -> None:
        """A connection that is in no namespace any more would stay for as long as its peer likes."""
        connection = self.eio.sockets.get(eio_sid)
        spaces = self.manager.get_namespaces()
        if connection and not any(self.manager.sid_from_eio_sid(eio_sid, space) for space in spaces):
            await connection.hang_up()

    async def _trigger_event(self, event: str, namespace: str, *arguments: Any) -> Any:
        # The library inspects a handler each time, and swallows its cancellation.
        handlers = self.handlers.get(namespace, {})
        if event in handlers:
            return await handlers[event](*arguments)
        if event in packets.RESERVED or "*" not in handlers:
            return self.not_handled
        return await handlers["*"](event, *arguments)

    async def _complain(self, eio_sid: str, packet: Packet, error: CallError) -> None:
        if sid := self.manager.sid_from_eio_sid(eio_sid, packet.namespace):
            await self.emit("error", error.wire(), room=sid, namespace=packet.namespace)
