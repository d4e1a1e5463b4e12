"""Answers of JSON lines (NDJSON), and others that hold what providers say: all that is sent is JSON."""

from __future__ import annotations

import json
import math
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


def told(answer: dict[str, Any]) -> web.Response:
    """What providers tell of themselves; null for the numbers that JSON has no word for.

    One provider's mistake must not hide the others. Raises CallError for what is nested too deeply.
    """
    try:
        body = encoded(answer)
    except CallError:
        try:
            body = encoded(_without_strange_numbers(answer))
        except RecursionError as exc:
            raise CallError("protocol", "a provider tells of itself what is nested too deeply") from exc
    return web.Response(body=body, content_type="application/json", charset="utf-8")


def _without_strange_numbers(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_strange_numbers(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_without_strange_numbers(inner) for inner in value]
        case float() if not math.isfinite(value):
            return None
    return value
