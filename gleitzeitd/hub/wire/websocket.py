"""The WebSocket of one connection: nothing is compressed, and of a stranger little is read.

python-engineio lets anybody send as much as one message may have, and more of it compressed: a few strangers
who show no token would take all the memory there is, or keep the loop busy with what they sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

MOST_OF_A_STRANGER = 64 * 1024
"""Bytes that a connection may send until it is in a namespace: all its tries to join fit into them."""


class WebSocket:
    """What python-engineio makes of a request, in the place of its own."""

    def __init__(
        self,
        too_much: Callable[[], None],
        handler: Callable[[WebSocket], Awaitable[None]],
        server: Any,
    ) -> None:
        """`too_much` is told that a stranger was hung up on."""
        self._handler = handler
        self._sock = _Response(too_much, max_msg_size=server.max_http_buffer_size, compress=False)

    @property
    def portion(self) -> Portion:
        return self._sock.portion

    async def __call__(self, environ: Mapping[str, Any]) -> web.WebSocketResponse:
        await self._sock.prepare(environ["aiohttp.request"])
        await self._handler(self)
        return self._sock


class _Response(web.WebSocketResponse):
    portion: Portion

    def __init__(self, too_much: Callable[[], None], **options: Any) -> None:
        super().__init__(**options)
        self._too_much = too_much

    def _post_start(self, request: web.BaseRequest, *more: Any) -> None:
        # here, since it is read from now on, while the rest of `prepare` waits for who does not read us
        super()._post_start(request, *more)
        self.portion = Portion(request.protocol, self._too_much)


class Portion:
    """Stands before the reader of a connection, and hangs up on who sends more than a stranger may."""

    def __init__(self, protocol: Any, too_much: Callable[[], None]) -> None:
        self._protocol = protocol
        self._too_much = too_much
        # aiohttp's reader is given its limit once, and counts one message at a time.
        self._reader, protocol._payload_parser = protocol._payload_parser, self
        self._left = MOST_OF_A_STRANGER

    def lift(self) -> None:
        """It is no stranger any more."""
        if self._protocol._payload_parser is self:
            self._protocol._payload_parser = self._reader

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._left -= len(data)
        if self._left >= 0:
            fed: tuple[bool, bytes] = self._reader.feed_data(data)
            return fed
        if self._protocol.transport is not None:
            self._too_much()
            self._protocol.transport.abort()
        return True, b""

    def feed_eof(self) -> None:
        self._reader.feed_eof()
