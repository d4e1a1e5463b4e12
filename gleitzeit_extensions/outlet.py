"""The way of a stream's items to the hub: gathered into frames, each sent as soon as pause and credit allow.

A frame goes at once when the last one went `PAUSE` ago; so the first item never waits, items that come slowly
go one by one, and fast ones share their frames.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from gleitzeit_extensions import frames
from gleitzeit_extensions.call import Call
from gleitzeit_extensions.frames import Encoded
from gleitzeit_extensions.protocol import CREDIT_BYTES, cost
from gleitzeit_extensions.waiting import ended

MOST_ITEMS = 32
PAUSE = 0.005
"""Seconds that an item waits for others at most."""

Send = Callable[[str, Encoded], Awaitable[None]]


@asynccontextmanager
async def opened(call: Call, limit: int, send: Send, at: str) -> AsyncGenerator[Outlet, None]:
    """The outlet of `call`; what was put is sent before the block is left, but not when it is cancelled.

    `at`: where its items are made, for an error about one of them.
    """
    outlet = Outlet(call, limit, send, at)
    sender = asyncio.create_task(outlet.deliver())
    try:
        try:
            yield outlet
        except Exception:
            await outlet.finish(sender)
            raise
        await outlet.finish(sender)
    finally:
        await ended(sender)


class Outlet:
    """One frame is being filled while the one before it goes; whoever puts more waits."""

    def __init__(self, call: Call, limit: int, send: Send, at: str) -> None:
        self._call = call
        self._at = at
        self._limit = limit
        self._send = send
        self._id = json.dumps(call.id)
        self._count = 0
        self._items: list[str] = []
        self._size = 0
        self._may_go = False
        """The frame is not to wait for more."""
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._pause_ends = 0.0
        self._is_closed = False

    async def put(self, item: Any) -> None:
        """Take the next item; waits for room. Raises CallError for one that cannot be sent."""
        what = f'item {self._count} of "{self._call.method}"{self._at}'
        text = frames.text(item, "item", what)
        while self._items and not self._has_room_for(text):
            await self._gone()
        if not self._items:
            self._size = len(self._head) + len("]}")
        frames.fits(self._size + len(text), what, self._limit)
        self._items.append(text)
        self._size += len(text) + len(",")
        self._count += 1
        if len(self._items) == 1:
            self._wake.set()
            if self._is_due and self._call.credit.suffices(self._price):
                # it is written before the author's code goes on, which may be busy for long
                await self._gone()

    async def deliver(self) -> None:
        """Send the frames, until everything is sent and `finish` was called."""
        while await self._has_items():
            await self._until_due()
            await self._call.credit.take(self._price)
            frame = Encoded(f"{self._head}{','.join(self._items)}]}}")
            self._items.clear()
            self._may_go = False
            self._pause_ends = time.monotonic() + PAUSE
            self._call.frames += 1
            await self._send("chunk", frame)
            self._room.set()

    async def finish(self, sender: asyncio.Task[None]) -> None:
        self._is_closed = True
        self._wake.set()
        await sender

    @property
    def _head(self) -> str:
        return f'{{"id":{self._id},"seq":{self._call.frames},"d":['

    @property
    def _price(self) -> int:
        return cost(self._size - len(","))

    @property
    def _is_due(self) -> bool:
        return self._may_go or self._is_closed or time.monotonic() >= self._pause_ends

    def _has_room_for(self, text: str) -> bool:
        return len(self._items) < MOST_ITEMS and self._size + len(text) <= CREDIT_BYTES

    async def _gone(self) -> None:
        """Have the frame sent without waiting for more."""
        self._may_go = True
        self._wake.set()
        self._room.clear()
        await self._room.wait()

    async def _has_items(self) -> bool:
        while not self._items and not self._is_closed:
            self._wake.clear()
            await self._wake.wait()
        return bool(self._items)

    async def _until_due(self) -> None:
        while not self._is_due:
            self._wake.clear()
            timer = asyncio.get_running_loop().call_at(self._pause_ends, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()
