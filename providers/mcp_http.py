"""An MCP server at a URL, by streamable HTTP: how it is reached, and how much it may answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from providers.mcp_stdio import LARGEST_MESSAGE
from providers.upstream import CONNECT_WITHIN

if TYPE_CHECKING:
    import httpx2
    from mcp.client._transport import TransportStreams


class Site:
    """One connection to one server; `end` says how it was lost. `headers` are never shown."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        self.title = f"the MCP server at {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self.lost = asyncio.Event()
        self.end = ""
        self._url, self._headers = url, dict(headers)
        self._refused = 0
        """The status of the last answer, when it was an error."""

    def lose(self, why: str) -> None:
        """Take it for lost."""
        self.end = self.end or why
        self.lost.set()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[TransportStreams]:
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        # A call may take as long as its caller waits, and a subscription is silent for hours.
        timeout = httpx2.Timeout(None, connect=CONNECT_WITHIN)
        hooks = {"response": [self._look]}
        async with (
            httpx2.AsyncClient(headers=self._headers, timeout=timeout, event_hooks=hooks) as http,
            streamable_http_client(
                self._url, http_client=http, max_sse_event_size=LARGEST_MESSAGE
            ) as streams,
        ):
            try:
                yield streams
            except Exception:
                if self._refused and not self.end:
                    self.end = f"answered with status {self._refused}"
                raise

    async def _look(self, response: httpx2.Response) -> None:
        self._refused = response.status_code if response.is_error else 0
        if response.status_code == 401:
            self.lose("wants another token, or other headers (status 401)")
        if "json" in response.headers.get("content-type", ""):
            response.stream = _bounded(response.stream)


def _bounded(stream: object) -> httpx2.AsyncByteStream:
    import httpx2

    assert isinstance(stream, httpx2.AsyncByteStream)
    inner = stream

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for piece in inner:
                if (size := size + len(piece)) > LARGEST_MESSAGE:
                    raise httpx2.StreamError(f"it sent a message of more than {LARGEST_MESSAGE:,} bytes")
                yield piece

        async def aclose(self) -> None:
            await inner.aclose()

    return Bounded()
