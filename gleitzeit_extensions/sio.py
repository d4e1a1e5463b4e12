"""The Socket.IO client as we use it: no reconnecting, no signal handlers and no logging of its own."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

import aiohttp

from gleitzeit_extensions.frames import Encoded
from gleitzeit_extensions.lean import socketio
from gleitzeit_extensions.protocol import TRANSPORT_LIMIT, Wire


class SocketIO(Protocol):
    """What we use of `socketio.AsyncClient`."""

    eio: Any

    def on(self, event: str, handler: Callable[..., Any], namespace: str) -> Any: ...
    async def connect(
        self, url: str, *, auth: Wire, transports: list[str], namespaces: list[str], wait_timeout: float
    ) -> None: ...
    async def emit(self, event: str, data: Wire | Encoded, namespace: str) -> None: ...
    async def call(self, event: str, data: Wire | Encoded, namespace: str) -> Any: ...
    async def disconnect(self) -> None: ...


class Packet(socketio.packet.Packet):  # type: ignore[misc]
    """One that also takes a payload which is encoded already."""

    def encode(self) -> Any:
        match self.data:
            case [str(event), Encoded(text=text)]:
                ack = "" if self.id is None else self.id
                return f"{self.packet_type}{self.namespace},{ack}[{json.dumps(event)},{text}]"
        return super().encode()


class WebSocket(aiohttp.ClientWebSocketResponse):
    """Knows when it was last spoken to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heard_at = time.monotonic()

    async def receive(self, *args: Any, **kwargs: Any) -> Any:
        message = await super().receive(*args, **kwargs)
        self.heard_at = time.monotonic()
        return message


def client(hub_socket: str | None) -> SocketIO:
    def session() -> aiohttp.ClientSession:
        connector = aiohttp.UnixConnector(path=hub_socket) if hub_socket else None
        return aiohttp.ClientSession(connector=connector, ws_response_class=WebSocket)

    quiet = logging.getLogger("gleitzeit.transport")
    if quiet.level == logging.NOTSET:
        quiet.setLevel(logging.CRITICAL)  # it would log every payload, prompts and all
    client: SocketIO = socketio.AsyncClient(
        reconnection=False,
        handle_sigint=False,
        serializer=Packet,
        json=json,  # engineio's own refuses integers of over 100 digits
        logger=quiet,
        engineio_logger=quiet,
        http_session=session,
        websocket_extra_options={"max_msg_size": TRANSPORT_LIMIT},
    )
    return client
