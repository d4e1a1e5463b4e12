"""The provider of the streams benchmark, as anyone would write it with our SDK: it speaks in tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

PACE = 0.02
"""Seconds from a paced token to the next: 50 a second."""


class TokenProvider(SocketIOProviderClient):
    async def flow(self, count: int) -> AsyncGenerator[str, None]:
        """As fast as they can be made."""
        for _ in range(count):
            yield "hello "

    async def paced(self, count: int) -> AsyncGenerator[str, None]:
        """At the speed of a model."""
        for _ in range(count):
            yield "hello "
            await asyncio.sleep(PACE)
