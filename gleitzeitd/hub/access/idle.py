"""Who has connected and asks nothing: how long they may stay, and who of them goes when there is no room."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
from aiohttp import web

IDLE_TIME = 10.0
"""Seconds that an HTTP connection has to send its next request, and up to as many more."""


class Idle:
    def __init__(self) -> None:
        self._asking = set[object]()
        self._unread = dict[Any, int]()
        """Of who was idle when somebody looked last, the bytes that were still on their way."""

    @contextmanager
    def without(self, connection: object) -> Iterator[None]:
        """While it has a request, or a WebSocket, in hand."""
        self._asking.add(connection)
        self._unread.pop(connection, None)
        try:
            yield
        finally:
            self._asking.discard(connection)

    def shed(self, runner: web.AppRunner, *, over_tcp: bool = False) -> bool:
        """Hang up on the older half; whether there were any.

        When there is no room, someone who is new comes before them; but `over_tcp` before nobody who is at a
        Unix socket.
        """
        found = [one for one in self._found(runner) if not over_tcp or is_remote(one.transport)]
        for connection in found[: (len(found) + 1) // 2]:
            if connection.transport is not None:
                connection.transport.abort()
        return bool(found)

    async def sweep(self, runner: web.AppRunner) -> None:
        """Hang up on who asks nothing for long, or never ends the question, or does not read the answer."""
        while True:
            await anyio.sleep(IDLE_TIME)
            self._look(runner)

    def _look(self, runner: web.AppRunner) -> None:
        found = {one: _unread(one.transport) for one in self._found(runner)}
        for connection in self._unread.keys() & found.keys():
            # who reads slowly is let finish
            if found[connection] >= self._unread[connection]:
                _part(connection.transport)
        self._unread = found

    def _found(self, runner: web.AppRunner) -> Iterable[Any]:
        """The older ones first."""
        connections = runner.server.connections if runner.server else ()
        return (one for one in connections if one not in self._asking)


def _unread(transport: asyncio.Transport | None) -> int:
    """Bytes that have not arrived yet."""
    descriptor = transport.get_extra_info("socket").fileno() if transport else -1
    # that of TLS is told of its end after its socket was closed
    if transport is None or descriptor < 0:
        return 0
    # the kernel takes more only when much of what it has is gone, which a slow reader needs long for
    (queued,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))
    return transport.get_write_buffer_size() + int(queued)


def _part(transport: asyncio.Transport | None) -> None:
    if transport is None:
        return
    if transport.get_write_buffer_size():
        transport.abort()
    else:
        transport.close()


def is_remote(transport: asyncio.Transport | None) -> bool:
    peer = transport.get_extra_info("socket") if transport else None
    return peer is not None and peer.family != socket.AF_UNIX
