"""The connections of an asynchronous client, on aiohttp, which is loaded when the first is made."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from gleitzeit_extensions.client.errors import ClientError, Unreachable
from gleitzeit_extensions.client.place import CONNECT_TIMEOUT, Place, watched
from gleitzeit_extensions.client.request import Request, look

if TYPE_CHECKING:
    from aiohttp import BaseConnector, ClientResponse, ClientSession

MOST_CALLS = 512
"""Calls that are under way at a time; more wait for their turn."""


class Sessions:
    """The one session of a client and of its views with other options."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._context = place.context()
        self._session: ClientSession | None = None
        self._is_closed = False

    async def ask(self, request: Request) -> ClientResponse:
        """Send a request, and wait for the head of its answer. Use it within `minding`."""
        from aiohttp import ClientConnectorError, ClientOSError, ServerDisconnectedError

        from gleitzeit_extensions.client.vigil import what_came

        session = self._session or self._opened()
        await what_came()
        limit, connection = _Limit(request.patience), SimpleNamespace(was_used=False)
        try:
            return await self._asked(session, request, limit, connection)
        except ClientConnectorError:
            raise
        except (ClientOSError, ServerDisconnectedError):
            # The daemon may have closed what was kept while the request was on its way.
            if not (connection.was_used and request.is_repeatable):
                raise
        return await self._asked(session, request, limit, connection)

    async def _asked(
        self, session: ClientSession, request: Request, limit: _Limit, connection: SimpleNamespace
    ) -> ClientResponse:
        from aiohttp import ClientTimeout
        from yarl import URL

        return await session.request(
            request.method,
            # What is quoted stays as it is: `%23` is part of a name.
            URL(self.place.base + request.target, encoded=True),
            data=request.body,
            headers=request.headers,
            timeout=ClientTimeout(total=limit.left(), sock_connect=CONNECT_TIMEOUT),
            trace_request_ctx=connection,
        )

    @asynccontextmanager
    async def minding(self, request: Request) -> AsyncIterator[None]:
        """What goes wrong with a connection becomes a ClientError, and so does a daemon that hangs."""
        from gleitzeit_extensions.client.vigil import Vigil

        try:
            async with Vigil(self._check) if request.patience is None else nullcontext():
                yield
        except ClientError:
            raise
        except Exception as exc:
            if failure := self._failure(exc):
                raise failure from exc
            raise

    async def _check(self) -> None:
        """Is the daemon still there and answering? A call may take long, a daemon that hangs must not."""
        request, alone = look("/livez"), Sessions(self.place)
        try:
            async with alone.minding(request), await alone.ask(request) as response:
                await response.read()
        finally:
            await alone.close()

    async def close(self) -> None:
        self._is_closed = True
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> ClientSession:
        from aiohttp import ClientSession, DummyCookieJar, TraceConfig

        if self._is_closed:
            raise Unreachable(f"this client of the daemon at {self.place} has been closed")
        trace = TraceConfig()
        trace.on_connection_reuseconn.append(_used_again)
        self._session = ClientSession(
            connector=self._connector(),
            cookie_jar=DummyCookieJar(),
            headers=self.place.headers,
            trace_configs=[trace],
        )
        return self._session

    def _connector(self) -> BaseConnector:
        from aiohttp import TCPConnector, UnixConnector

        if self.place.path:
            return UnixConnector(self.place.path, limit=MOST_CALLS)
        return TCPConnector(limit=MOST_CALLS, ssl=self._context or True, socket_factory=_watched)

    def _failure(self, exc: Exception) -> ClientError | None:
        import aiohttp

        match exc:
            case aiohttp.ClientConnectorError(os_error=OSError() as reason):
                return self.place.failure(reason)
            # its other OSErrors are of a connection that was there
            case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
                return self.place.lost()
            case aiohttp.ClientError() | OSError():
                return self.place.failure(exc)
        return None


class _Limit:
    """The time that is left for an answer; None is no limit."""

    def __init__(self, patience: float | None) -> None:
        self._deadline = None if patience is None else time.monotonic() + patience

    def left(self) -> float | None:
        # 0 would be no limit for aiohttp.
        return None if self._deadline is None else max(self._deadline - time.monotonic(), 0.001)


async def _used_again(_: object, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.was_used = True


def _watched(address: Any) -> socket.socket:
    family, kind, protocol, *_ = address
    return watched(socket.socket(family, kind, protocol))
