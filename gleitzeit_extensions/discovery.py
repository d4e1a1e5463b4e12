"""Has a provider look up its models, at its start and from time to time; it is worth having without them."""

from __future__ import annotations

import asyncio
import logging

from gleitzeit_extensions import authors, threads
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

log = logging.getLogger("gleitzeit")

LOOK_TIMEOUT = 60.0
"""Seconds that one look may take."""


class Discovery:
    """`looked` is set after the first look. What fails in the same way again and again is said once."""

    def __init__(self, provider: SocketIOProviderClient) -> None:
        self.looked = asyncio.Event()
        self._provider = provider
        self._said = ""

    async def run(self) -> None:
        """Look for as long as the provider runs; just once when its interval is not above 0."""
        await self._look()
        self.looked.set()
        while (interval := self._provider.discovery_interval) > 0:
            await asyncio.sleep(interval)
            await self._look()

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(LOOK_TIMEOUT):
                self._provider.models = await threads.call(self._provider.discover_models)
        except (Exception, SystemExit) as exc:  # an author may raise anything
            self._say(authors.words(exc, [], self._provider.discover_models))
        else:
            self._said = ""

    def _say(self, words: str) -> None:
        if words != self._said:
            log.warning('"%s" could not discover its models: %s', self._provider.name, words)
            self._said = words
