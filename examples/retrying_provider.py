"""A provider that tries again by itself, for what asks an upstream in several steps.

A single step needs none of this: raise RateLimited or Unavailable, and the daemon tries again or elsewhere.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import aiohttp

from gleitzeit_extensions import InvalidRequest, SocketIOProviderClient, Unavailable, current_call

T = TypeVar("T")


class RetryingProvider(SocketIOProviderClient):
    """Fetches several pages; a page that fails is asked for again, and the others are not."""

    def __init__(self, base_url: str, max_retries: int = 3, retry_delay: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.base_url = base_url
        self.max_retries = max_retries
        self.retry_delay = retry_delay

    async def fetch(self, paths: list[str]) -> list[str]:
        """The texts of pages."""
        async with aiohttp.ClientSession(self.base_url, raise_for_status=True) as http:

            async def one(path: str) -> str:
                async with http.get(path) as response:
                    return await response.text()

            return [await self._again(lambda path=path: one(path)) for path in paths]  # type: ignore[misc]

    async def _again(self, step: Callable[[], Awaitable[T]]) -> T:
        """What the step gives, tried again with growing pauses as long as the call has time for it."""
        for attempt in range(1, self.max_retries + 1):
            try:
                return await step()
            except (aiohttp.ClientError, TimeoutError) as exc:
                if isinstance(exc, aiohttp.ClientResponseError) and exc.status < 500:
                    raise InvalidRequest(f"{exc.request_info.url} answered {exc.status}") from exc
                # Nobody else is in step with a pause that chance has a part in.
                pause = self.retry_delay * 2 ** (attempt - 1) * random.uniform(0.5, 1)
                call = current_call()
                left = call.seconds_left if call else None
                if attempt == self.max_retries or (left is not None and left < pause):
                    raise Unavailable(f"{attempt} attempts failed: {exc}") from exc
                await asyncio.sleep(pause)
        raise AssertionError("the last attempt returned or raised")
