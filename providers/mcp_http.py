"""An MCP server at a URL, by streamable HTTP: how it is reached, and how much it may answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from providers.mcp_stdio import LARGEST_MESSAGE
from providers.upstream import CONNECT_WITHIN

if TYPE_CHECKING:
    import httpx2
    from mcp.client._transport import TransportStreams

LEAVES_WITHIN = 1.0
"""Seconds that a server has to hear that a session is over."""


class Site:
    """One connection to one server; `end` says how it was lost. `headers` are never shown."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.title = f"the MCP server at {shown(url)}"
        self.lost = asyncio.Event()
        self.end = ""
        # What is compressed has no known size.
        self._url, self._headers = url, {"Accept-Encoding": "identity", **headers}
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
        hooks: dict[str, list[Any]] = {"request": [_hurry], "response": [self._look]}
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
        if response.status_code == 404 and "mcp-session-id" in response.request.headers:
            self.lose("ended the session (status 404)")
        is_compressed = response.headers.get("content-encoding", "identity") != "identity"
        if is_compressed or not response.headers.get("content-type", "").startswith("text/event-stream"):
            response.stream = _bounded(response.stream, is_compressed)


async def _hurry(request: httpx2.Request) -> None:
    """The SDK ends its session, when it leaves, for as long as the server likes."""
    if request.method == "DELETE":
        request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), LEAVES_WITHIN)


def shown(url: str) -> str:
    """Without what may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _bounded(stream: object, is_compressed: bool) -> httpx2.AsyncByteStream:
    """What is no stream of events, the SDK reads to its end."""
    import httpx2

    assert isinstance(stream, httpx2.AsyncByteStream)
    inner = stream

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            if is_compressed:
                raise httpx2.StreamError("it sent a compressed message, which it was asked not to do")
            async for piece in inner:
                if (size := size + len(piece)) > LARGEST_MESSAGE:
                    raise httpx2.StreamError(f"it sent a message of more than {LARGEST_MESSAGE:,} bytes")
                yield piece

        async def aclose(self) -> None:
            await inner.aclose()

    return Bounded()
