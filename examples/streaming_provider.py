"""A provider with streams: one that is made as it goes, and one of a blocking iterator."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from gleitzeit_extensions import SocketIOProviderClient


class StreamingProvider(SocketIOProviderClient):
    """Counts."""

    open_streams = 0

    async def stream(self, prompt: str, pause: float = 0.05) -> AsyncIterator[dict[str, Any]]:
        """The prompt, word by word.

        Args:
            pause: seconds after each word
        """
        self.open_streams += 1
        words = prompt.split()
        try:
            for number, word in enumerate(words, 1):
                yield {"token": f"{word} ", "done": number == len(words)}
                await asyncio.sleep(pause)
        finally:
            # Also when the caller has gone away, or what was asked for is enough.
            self.open_streams -= 1

    def countdown(self, start: int) -> Iterator[int]:
        """Numbers down to 1, from code that blocks: it has a thread of its own."""
        for number in range(start, 0, -1):
            yield number
            time.sleep(0.01)
