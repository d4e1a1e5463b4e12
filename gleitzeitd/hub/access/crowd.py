"""Who is connected, before it is known who they are: how many there may be, and until when."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import anyio
from aiohttp import web

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.access.idle import Idle, is_remote
from gleitzeitd.hub.access.room import Room
from gleitzeitd.hub.access.tokens import Grant

JOIN_TIME = 10.0
"""Seconds that a WebSocket has to show a token."""
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
        self.idle = Idle()

    def with_request(self, request: web.BaseRequest) -> AbstractContextManager[None]:
        """While a request, or a WebSocket, is in hand. Raises CallError `overloaded` at once."""
        over_tcp = is_remote(request.transport)
        if over_tcp and self._remote >= self.most:
            raise CallError(
                "overloaded", f"the hub has {self.most} connections: see global.hub.max_connections"
            )
        return self._in_hand(request, over_tcp)

    @contextmanager
    def _in_hand(self, request: web.BaseRequest, over_tcp: bool) -> Iterator[None]:
        guest = request[GUEST] = Guest(request)
        self._guests.add(guest)
        self._remote += over_tcp
        try:
            with self.idle.without(request.protocol):
                yield
        finally:
            self._guests.discard(guest)
            self._remote -= over_tcp

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
        """For whoever comes next: this one is turned away, as the rest is kept for the control socket."""
        self.idle.shed(runner, over_tcp=over_tcp)
        return False
