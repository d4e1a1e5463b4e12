"""A limit for what a server may answer, for OpenAI's client reads whatever comes. Imported with it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import cast

import httpx2

from gleitzeit_extensions import CallError
from providers import upstream


class Bounded(httpx2.AsyncByteStream):
    """The same bytes, until they are too many: of an answer in all, of a stream those of one event."""

    def __init__(self, response: httpx2.Response, failed: Callable[[str], CallError]) -> None:
        self._inner = cast("httpx2.AsyncByteStream", response.stream)
        self._streams = "text/event-stream" in response.headers.get("content-type", "")
        self._is_compressed = response.headers.get("content-encoding", "identity") != "identity"
        self._failed = failed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        most = upstream.LONGEST_LINE if self._streams else upstream.LARGEST_ANSWER
        size, last = 0, b""
        if self._is_compressed:
            raise self._failed("sent a compressed answer, which it was asked not to do")
        async for chunk in cast("AsyncIterable[bytes]", self._inner):
            size += len(chunk)
            if self._streams:
                read = last + chunk
                ends = max(read.rfind(b"\n\n"), read.rfind(b"\n\r\n"))
                size, last = len(read) - ends if ends >= 0 else size, read[-2:]
            if size > most:
                what = "sent an event" if self._streams else "gave an answer"
                raise self._failed(f"{what} of more than {most:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
