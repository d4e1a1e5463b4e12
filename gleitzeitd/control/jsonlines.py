"""Answers of JSON lines (NDJSON)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web

from gleitzeit_extensions.protocol import CallError


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

    async def write(self, line: dict[str, Any]) -> None:
        await self.response.write(encoded(line).encode() + b"\n")


def encoded(answer: dict[str, Any]) -> str:
    """Raises CallError for what a provider answered with that is not JSON."""
    try:
        return json.dumps(answer)
    except (TypeError, ValueError, RecursionError) as exc:
        raise CallError("protocol", f"the provider answered with what is not JSON: {exc}") from exc
