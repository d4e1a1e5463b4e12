"""Who is connected, before it is known who they are: how many there may be, and how long they may idle."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import anyio
from aiohttp import web

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.access.room import Room
from gleitzeitd.hub.access.tokens import Grant

JOIN_TIME = 10.0
"""Seconds that a WebSocket has to show a token."""
IDLE_TIME = 10.0
"""Seconds that an HTTP connection has to send its next request, and up to as many more."""
SPARE = 100
"""Connections, or a tenth of the most if that is more, that are let in only to be told of the limit."""
MOST_JOINS = 16
"""How often one connection may join a namespace: more is a mistake, or somebody who tries tokens."""


class Guest:
    """One request, or one WebSocket, and whose tokens it has shown."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._transport = request.transport
        self.scope = anyio.CancelScope(shield=True)
        """Of what serves it: it outlasts the hub's other tasks, to say that it has ended."""
        self.grants: set[Grant] = set()
        self._joins = 0

    def tries(self) -> None:
        """It shows a token. Raises CallError `overloaded` when it has done so too often."""
        self._joins += 1
        if self._joins > MOST_JOINS:
            self.send_away()
            raise CallError("overloaded", f"this connection has joined {MOST_JOINS} times")

    def joined(self, grant: Grant) -> None:
        self.grants.add(grant)

    def expect_token(self) -> None:
        """The time to show one is over."""
        if not self.grants:
            self.send_away()

    def send_away(self) -> None:
        if self._transport is not None:
            self._transport.abort()


GUEST = web.RequestKey("gleitzeit.guest", Guest)
"""Where a request has it."""


class Crowd:
    def __init__(self, most: int) -> None:
        """`most`: connections over TCP; who comes by the Unix socket is not kept out by those."""
        self.most = most
        self.room = Room(most + max(SPARE, most // 10))
        """Of all who have come over TCP."""
        self._remote = 0
        self._guests: set[Guest] = set()
        self._busy: set[object] = set()
        self._idle: dict[Any, int] = {}
        """Bytes of its answers that each has not taken yet."""

    def with_request(self, request: web.BaseRequest) -> AbstractContextManager[None]:
        """While a request, or a WebSocket, is in hand. Raises CallError `overloaded` at once."""
        is_remote = _is_remote(request.transport)
        if is_remote and self._remote >= self.most:
            raise CallError(
                "overloaded", f"the hub has {self.most} connections: see global.hub.max_connections"
            )
        return self._in_hand(request, is_remote)

    @contextmanager
    def _in_hand(self, request: web.BaseRequest, is_remote: bool) -> Iterator[None]:
        guest = request[GUEST] = Guest(request)
        self._guests.add(guest)
        self._remote += is_remote
        self._busy.add(request.protocol)
        self._idle.pop(request.protocol, None)
        try:
            yield
        finally:
            self._guests.discard(guest)
            self._remote -= is_remote
            self._busy.discard(request.protocol)

    @contextmanager
    def with_guest(self, request: web.BaseRequest) -> Iterator[Guest]:
        """While a WebSocket is open, which may be for longer than its request is in hand."""
        guest = request[GUEST] = Guest(request)
        self._guests.add(guest)
        deadline = asyncio.get_running_loop().call_later(JOIN_TIME, guest.expect_token)
        try:
            yield guest
        finally:
            deadline.cancel()
            self._guests.discard(guest)

    def hang_up(self, grant: Grant) -> None:
        """On everybody who has shown that token."""
        for guest in [guest for guest in self._guests if grant in guest.grants]:
            guest.send_away()

    def close(self) -> None:
        """What serves anybody still ends now."""
        for guest in self._guests:
            guest.scope.cancel()

    def make_room(self, runner: web.AppRunner, *, over_tcp: bool) -> bool:
        """For whoever comes next: this one is turned away, as the rest is kept for the control socket.

        Nobody at the Unix socket gives way to those who come `over_tcp`.
        """
        shed(runner, self._stays if over_tcp else self._busy.__contains__)
        return False

    def _stays(self, connection: Any) -> bool:
        return connection in self._busy or not _is_remote(connection.transport)

    async def sweep(self, runner: web.AppRunner) -> None:
        """Hang up on connections that ask nothing, or never end their question, or do not read the answer."""
        while True:
            await anyio.sleep(IDLE_TIME)
            self._sweep(runner)

    def _sweep(self, runner: web.AppRunner) -> None:
        idle = {one: _unread(one) for one in _connections(runner) if one not in self._busy}
        for connection in self._idle.keys() & idle.keys():
            # who reads slowly is let finish
            if idle[connection] >= self._idle[connection]:
                _part(connection.transport)
        self._idle = idle


def _unread(connection: Any) -> int:
    """Bytes that have not arrived yet."""
    if connection.transport is None:
        return 0
    # the kernel takes more only when much of what it has is gone, which a slow reader needs long for
    descriptor = connection.transport.get_extra_info("socket").fileno()
    (queued,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))
    unwritten: int = connection.transport.get_write_buffer_size()
    return unwritten + int(queued)


def _part(transport: asyncio.Transport | None) -> None:
    if transport is None:
        return
    if transport.get_write_buffer_size():
        transport.abort()
    else:
        transport.close()


def shed(runner: web.AppRunner, stays: Callable[[Any], bool]) -> bool:
    """Hang up on the older half of those who have connected and ask nothing; whether there were any.

    When descriptors run out, someone who is new comes before them.
    """
    idle = [connection for connection in _connections(runner) if not stays(connection)]
    for connection in idle[: (len(idle) + 1) // 2]:
        if connection.transport is not None:
            connection.transport.abort()
    return bool(idle)


def _connections(runner: web.AppRunner) -> Iterable[Any]:
    return runner.server.connections if runner.server else ()


def _is_remote(transport: asyncio.Transport | None) -> bool:
    peer = transport.get_extra_info("socket") if transport else None
    return peer is not None and peer.family != socket.AF_UNIX
