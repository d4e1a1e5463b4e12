"""The calls for one provider that wait for a free slot, first come, first served."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.calls import Call
from gleitzeitd.hub.registration import Registration


class Waiting(NamedTuple):
    number: int
    call: Call
    placed: asyncio.Future[Registration]


class Line:
    """Places calls with the registrations of one provider. A call that is placed holds its slot at once.

    A call is addressed to the provider, whose instances are alike, or to one of them. Calls to one address
    wait in a queue of their own, so that none stands in the way of those that another instance can answer.
    """

    def __init__(self, name: str, limit: int, why_not: Callable[[Call, str], CallError | None]) -> None:
        """At most `limit` calls wait. `why_not` says why one may not wait any longer for an address; None
        when it may."""
        self.registrations: list[Registration] = []
        self.limit = limit
        self._name = name
        self._why_not = why_not
        self._numbers = itertools.count()
        self._queues: dict[str, deque[Waiting]] = {}

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return sum(len(queue) for queue in self._queues.values())

    async def place(self, call: Call, address: str) -> Registration:
        """The registration that the call was placed with. Raises CallError when there will be none."""
        # Whatever waits has nowhere to go: a free slot is nobody else's.
        if registration := self._roomiest(address):
            registration.calls[call.id] = call
            return registration
        if error := self._why_not(call, address):
            raise error
        if self.waiting >= self.limit:
            sentence = f'{self.limit} calls wait for "{self._name}" already: see routing.queue'
            raise CallError("overloaded", sentence)
        entry = Waiting(next(self._numbers), call, asyncio.get_running_loop().create_future())
        self._queues.setdefault(address, deque()).append(entry)
        try:
            return await entry.placed
        except asyncio.CancelledError:
            self._withdraw(entry, address)
            raise

    def _withdraw(self, entry: Waiting, address: str) -> None:
        """Its caller waits no more, even if it was just given a place."""
        with contextlib.suppress(KeyError, ValueError):
            self._queues[address].remove(entry)
        if entry.placed.done() and not entry.placed.cancelled() and entry.placed.exception() is None:
            entry.placed.result().calls.pop(entry.call.id, None)
            self.fill()

    def fill(self) -> None:
        """A slot may have become free: place those who have waited longest."""
        while found := self._next():
            queue, registration = found
            entry = queue.popleft()
            if not entry.placed.done():
                registration.calls[entry.call.id] = entry.call
                entry.placed.set_result(registration)

    def _next(self) -> tuple[deque[Waiting], Registration] | None:
        """The queue whose first has waited longest of those that can be placed, and the place."""
        heads = sorted((queue[0].number, address) for address, queue in self._queues.items() if queue)
        for _, address in heads:
            if registration := self._roomiest(address):
                return self._queues[address], registration
        return None

    def reconsider(self) -> None:
        """How an instance stands has changed: send away who would wait in vain."""
        self.fill()
        for address, queue in self._queues.items():
            for entry in queue:
                if not entry.placed.done() and (error := self._why_not(entry.call, address)):
                    entry.placed.set_exception(error)
        left = {a: deque(e for e in queue if not e.placed.done()) for a, queue in self._queues.items()}
        self._queues = {address: queue for address, queue in left.items() if queue}

    def _roomiest(self, address: str) -> Registration | None:
        free = (r for r in self.registrations if r.has_room and address in (r.name, r.instance))
        return min(free, key=lambda registration: len(registration.calls), default=None)
