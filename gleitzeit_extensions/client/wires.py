"""Connections to the daemon that are kept and used again, on the standard library's sockets."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    IncompleteRead,
    RemoteDisconnected,
)
from socket import socket
from typing import cast

from gleitzeit_extensions import places
from gleitzeit_extensions.client.errors import Unreachable
from gleitzeit_extensions.client.limit import Limit, TimedResponse
from gleitzeit_extensions.client.place import CONNECT_TIMEOUT, Place, watched
from gleitzeit_extensions.client.request import Request, look

PIECE = 64 * 1024
"""Bytes of a stream that are taken at once, at most."""
MOST_IDLE = 32
"""Connections that are kept although nobody uses them."""


class UnixConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("gleitzeitd", timeout=CONNECT_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = places.connect(self._path, CONNECT_TIMEOUT)


class Wires:
    """Whoever asks takes one that is idle, or makes one; no two threads have one at the same time."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._context = place.context()
        self._idle: list[HTTPConnection] = []
        self._is_closed = False

    def ask(self, request: Request) -> Exchange:
        """Send a request, and wait for the head of its answer. Raises ClientError."""
        limit = Limit(request.patience, self._check)
        wire = self._take()
        was_used = wire.sock is not None
        try:
            return self._begun(wire, request, limit)
        except Unreachable as exc:
            # The daemon may have closed what was kept while the request was on its way.
            if was_used and request.is_repeatable and isinstance(exc.__cause__, ConnectionError):
                return self._begun(self._new(), request, limit)
            raise

    def _begun(self, wire: HTTPConnection, request: Request, limit: Limit) -> Exchange:
        with self.minding(wire):
            stream = wire.sock or self._connected(wire)
            stream.settimeout(limit.left())
            # It makes its answers by calling this.
            wire.response_class = cast("type[HTTPResponse]", partial(TimedResponse, limit))
            wire.request(request.method, request.target, request.body, request.headers | self.place.headers)
            return Exchange(self, wire, wire.getresponse())

    def _check(self) -> None:
        """Is the daemon still there and answering? A call may take long, a daemon that hangs must not."""
        alone = Wires(self.place)
        alone.ask(look("/livez")).rest()
        alone.close()

    def _connected(self, wire: HTTPConnection) -> socket:
        wire.connect()
        stream = cast("socket", wire.sock)
        return stream if self.place.path else watched(stream)

    @contextmanager
    def minding(self, wire: HTTPConnection) -> Iterator[None]:
        """Whatever goes wrong with it is its end, and what the system says of it becomes a ClientError."""
        try:
            yield
        except (HTTPException, OSError) as exc:
            wire.close()
            is_cut = isinstance(exc, IncompleteRead | RemoteDisconnected)
            raise (self.place.lost() if is_cut else self.place.failure(exc)) from exc
        except BaseException:
            wire.close()
            raise

    def give_back(self, wire: HTTPConnection) -> None:
        """Its answer has been read to the end."""
        if self._is_closed or wire.sock is None or len(self._idle) >= MOST_IDLE:
            wire.close()
        else:
            self._idle.append(wire)

    def close(self) -> None:
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> HTTPConnection:
        if self._is_closed:
            raise Unreachable(f"this client of the daemon at {self.place} has been closed")
        # To pop is one step: no other thread gets the same. Between the question and it one may be quicker.
        with suppress(IndexError):
            while self._idle:
                wire = self._idle.pop()
                if _is_quiet(wire):
                    return wire
                wire.close()
        return self._new()

    def _new(self) -> HTTPConnection:
        place = self.place
        if place.path:
            return UnixConnection(place.path)
        if self._context is not None:
            return HTTPSConnection(place.host, place.port, timeout=CONNECT_TIMEOUT, context=self._context)
        return HTTPConnection(place.host, place.port, timeout=CONNECT_TIMEOUT)


class Exchange:
    """One request whose answer is being read."""

    def __init__(self, wires: Wires, wire: HTTPConnection, response: HTTPResponse) -> None:
        self._wires, self._wire, self._response = wires, wire, response
        self.status = response.status

    def rest(self) -> bytes:
        """All that is left of it; the connection may be used again."""
        with self._wires.minding(self._wire):
            rest = self._response.read()
        self._wires.give_back(self._wire)
        return rest

    def piece(self) -> bytes:
        """What comes next, without waiting for more; nothing at the end."""
        with self._wires.minding(self._wire):
            return self._response.read1(PIECE)

    def close(self) -> None:
        """Hang up."""
        self._response.close()
        self._wire.close()


def _is_quiet(wire: HTTPConnection) -> bool:
    """Whether nothing came while nobody asked: it could only be the end of the connection."""
    if wire.sock is None:
        return False
    poll = select.poll()
    poll.register(wire.sock, select.POLLIN)
    return not poll.poll(0)
