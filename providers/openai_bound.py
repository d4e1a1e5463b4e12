"""A limit for what a server may answer, for OpenAI's client reads whatever comes. Imported with it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import cast

import httpx2

from gleitzeit_extensions import CallError
from providers import upstream


class Bounded(httpx2.AsyncByteStream):
    """The same bytes, until they are too many: of an answer in all, of a stream those of one line."""

    def __init__(self, response: httpx2.Response, failed: Callable[[str], CallError]) -> None:
        self._inner = cast("httpx2.AsyncByteStream", response.stream)
        self._streams = "text/event-stream" in response.headers.get("content-type", "")
        self._failed = failed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        most = upstream.LONGEST_LINE if self._streams else upstream.LARGEST_ANSWER
        size = 0
        async for chunk in cast("AsyncIterable[bytes]", self._inner):
            size = 0 if self._streams and b"\n" in chunk else size + len(chunk)
            if size > most:
                what = "sent an event" if self._streams else "gave an answer"
                raise self._failed(f"{what} of more than {most:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
