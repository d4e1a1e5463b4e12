"""How much of a stream may still be sent."""

from __future__ import annotations

import asyncio

from gleitzeit_extensions.protocol import may_send


class Credit:
    """What the receiver granted, less what was sent; who sends waits until it suffices for the price."""

    def __init__(self, granted: int) -> None:
        self._left = granted
        self._more = asyncio.Event()

    def grant(self, credits: int) -> None:
        self._left += credits
        self._more.set()

    def suffices(self, price: int) -> bool:
        return may_send(self._left, price)

    async def take(self, price: int) -> None:
        while not self.suffices(price):
            self._more.clear()
            await self._more.wait()
        self._left -= price
