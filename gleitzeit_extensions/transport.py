"""One Socket.IO connection to the hub: opened once, and over when `lost` is set.

The many ways in which the client fails, or fails to say so, are understood here.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp

from gleitzeit_extensions.frames import Encoded
from gleitzeit_extensions.lean import socketio
from gleitzeit_extensions.protocol import PROVIDERS, CallError, Wire
from gleitzeit_extensions.sio import client
from gleitzeit_extensions.waiting import ended, first

CONNECT_TIMEOUT = 8.0
ANSWER_TIMEOUT = 8.0
FLUSH_TIMEOUT = 1.0
CLOSE_TIMEOUT = 2.0

UNREACHABLE = (socketio.exceptions.SocketIOError, aiohttp.ClientError, OSError, TimeoutError)
NO_HUB = (ValueError, KeyError, TypeError)
"""What the Engine.IO client trips over when something else than a hub answers."""


class Lost(ConnectionError):
    """The hub is not there, or no longer; worth another try."""


class Transport:
    """Hands every event from the hub to `receive(event, data)`, in order."""

    def __init__(self, hub_socket: str | None, receive: Callable[[str, Any], None]) -> None:
        self.lost = asyncio.Event()
        self.sio = client(hub_socket)
        self._receive = receive
        self._refusal: CallError | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def open(self, url: str, auth: Wire) -> None:
        """Raises `Lost`, or the `CallError` with which the hub refused."""
        self.sio.on("*", self._received, namespace=PROVIDERS)
        self.sio.on("connect_error", self._refused, namespace=PROVIDERS)
        self.sio.on("disconnect", self._gone, namespace=PROVIDERS)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self.sio.connect(
                    url,
                    auth=auth,
                    transports=["websocket"],
                    namespaces=[PROVIDERS],
                    wait_timeout=CONNECT_TIMEOUT,
                )
        except UNREACHABLE as exc:
            raise self._refusal or Lost(_reason(exc)) from exc
        except NO_HUB as exc:
            raise Lost(f"what answers there is not a hub: {exc}") from exc
        self._watcher = asyncio.create_task(self._watch())

    async def send(self, event: str, payload: Wire | Encoded) -> None:
        """Queue a message; when the connection is gone, those who waited for it are gone with it."""
        with suppress(socketio.exceptions.BadNamespaceError):
            await self.sio.emit(event, payload, namespace=PROVIDERS)

    async def ask(self, event: str, payload: Wire | Encoded) -> Any:
        """What the hub acknowledges with; only for what is asked once, since an ack has no error channel."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                answer = await first(self.sio.call(event, payload, namespace=PROVIDERS), self.lost.wait())
        except (TimeoutError, socketio.exceptions.SocketIOError) as exc:
            raise Lost(f"the hub did not answer {event}") from exc
        if self.lost.is_set():
            raise Lost(f"the connection ended during {event}")
        return answer

    async def flush(self) -> None:
        """Wait until what was sent is written: disconnecting throws away what is still queued."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_TIMEOUT):
                await self.sio.eio.queue.join()

    async def close(self) -> None:
        """Leave nothing open, whatever state it is in."""
        self.lost.set()
        if self._watcher:
            await ended(self._watcher)
        with suppress(*UNREACHABLE):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self.sio.disconnect()
        eio = self.sio.eio
        await ended(*(task for task in (eio.read_loop_task, eio.write_loop_task) if task))
        if eio.http:
            await eio.http.close()

    def _received(self, event: str, data: Any = None, *_: Any) -> None:
        self._receive(event, data)

    def _refused(self, data: Any = None) -> None:
        match data:
            case {"data": {"code": str()} as error} | ({"code": str()} as error):
                self._refusal = CallError.read(error)

    def _gone(self, reason: object = None) -> None:
        self.lost.set()

    async def _watch(self) -> None:
        """See the loss where the client does not: with a write that is stuck, it waits for a frozen hub."""
        eio = self.sio.eio
        silence = eio.ping_interval + eio.ping_timeout + 1
        while not eio.read_loop_task.done() and (left := eio.ws.heard_at + silence - time.monotonic()) > 0:
            await asyncio.wait([eio.read_loop_task], timeout=left)
        self.lost.set()


def _reason(error: BaseException) -> str:
    """In the operating system's words where it has some: `Connection refused`."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.errno:
            return os.strerror(inner.errno)
        inner = inner.__cause__ or inner.__context__
    return str(error) or "no answer"
