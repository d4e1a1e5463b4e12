"""Answers of JSON lines (NDJSON)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web

from gleitzeit_extensions.protocol import CallError

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class JsonLines:
    """An answer of JSON lines; each write waits until the reader has room."""

    response: web.StreamResponse

    @classmethod
    @asynccontextmanager
    async def answering(cls, request: web.Request) -> AsyncIterator[Self]:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        yield cls(response)
        await response.write_eof()

    async def write(self, *lines: dict[str, Any]) -> None:
        """Write them in one piece: a frame of many items costs the system as much as one of a single item."""
        await self.response.write(b"".join(encoded(line) + b"\n" for line in lines))


def encoded(answer: dict[str, Any]) -> bytes:
    """Raises CallError for what a provider answered with that is not JSON."""
    try:
        return _ENCODER.encode(answer).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise CallError("protocol", f"the provider answered with what is not JSON: {exc}") from exc
