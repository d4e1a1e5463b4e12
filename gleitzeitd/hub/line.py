"""The calls for one provider that wait for a free slot, first come, first served."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.calls import Call
from gleitzeitd.hub.registration import Registration


class Line:
    """Places calls with the registrations of one provider. A call that is placed holds its slot at once."""

    def __init__(self, name: str, limit: int, why_not: Callable[[Call], CallError | None]) -> None:
        """At most `limit` calls wait. `why_not` says why one may not wait any longer; None when it may."""
        self.registrations: list[Registration] = []
        self._name = name
        self._limit = limit
        self._why_not = why_not
        self._waiting: deque[tuple[Call, asyncio.Future[Registration]]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    async def place(self, call: Call) -> Registration:
        """The registration that the call was placed with. Raises CallError when there will be none."""
        if not self._waiting and (registration := self._roomiest()):
            registration.calls[call.id] = call
            return registration
        if error := self._why_not(call):
            raise error
        if len(self._waiting) >= self._limit:
            sentence = f'{self._limit} calls wait for "{self._name}" already: see routing.queue'
            raise CallError("overloaded", sentence)
        placed: asyncio.Future[Registration] = asyncio.get_running_loop().create_future()
        entry = (call, placed)
        self._waiting.append(entry)
        try:
            return await placed
        except asyncio.CancelledError:
            with contextlib.suppress(ValueError):
                self._waiting.remove(entry)
            if placed.done() and not placed.cancelled() and placed.exception() is None:
                placed.result().calls.pop(call.id, None)
                self.fill()
            raise

    def fill(self) -> None:
        """A slot may have become free: place those who have waited longest."""
        while self._waiting and (registration := self._roomiest()):
            call, placed = self._waiting.popleft()
            if not placed.done():
                registration.calls[call.id] = call
                placed.set_result(registration)

    def reconsider(self) -> None:
        """The provider's standing changed: send away who would wait in vain."""
        self.fill()
        for call, placed in self._waiting:
            if not placed.done() and (error := self._why_not(call)):
                placed.set_exception(error)
        self._waiting = deque(entry for entry in self._waiting if not entry[1].done())

    def _roomiest(self) -> Registration | None:
        free = [registration for registration in self.registrations if registration.has_room]
        return min(free, key=lambda registration: len(registration.calls), default=None)
