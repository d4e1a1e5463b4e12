"""The connections of an asynchronous client, on aiohttp, which is loaded when the first is made."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gleitzeit_extensions.client.errors import ClientError, Unreachable
from gleitzeit_extensions.client.place import CONNECT_TIMEOUT, Place, watched

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

    async def ask(
        self, method: str, target: str, body: bytes | None, patience: float | None
    ) -> ClientResponse:
        """Send a request, and wait for the head of its answer. Use it within `minding`."""
        from aiohttp import ClientTimeout
        from yarl import URL

        session = self._session or self._opened()
        return await session.request(
            method,
            # What is quoted stays as it is: `%23` is part of a name.
            URL(self.place.base + target, encoded=True),
            data=body,
            headers={"Content-Type": "application/json"} if body is not None else None,
            timeout=ClientTimeout(total=patience, sock_connect=CONNECT_TIMEOUT),
        )

    @contextmanager
    def minding(self) -> Iterator[None]:
        """What goes wrong with a connection becomes a ClientError."""
        try:
            yield
        except ClientError:
            raise
        except Exception as exc:
            if failure := self._failure(exc):
                raise failure from exc
            raise

    async def close(self) -> None:
        self._is_closed = True
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> ClientSession:
        from aiohttp import ClientSession, DummyCookieJar

        if self._is_closed:
            raise Unreachable(f"this client of the daemon at {self.place} has been closed")
        self._session = ClientSession(
            connector=self._connector(), cookie_jar=DummyCookieJar(), headers=self.place.headers
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


def _watched(address: Any) -> socket.socket:
    family, kind, protocol, *_ = address
    return watched(socket.socket(family, kind, protocol))
