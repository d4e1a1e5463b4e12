"""A reader of what comes, who may be slow, or stand still."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain

import anyio

from gleitzeitd.processes.logs.lines import Chunk, Record

FOLLOWER_SIZE = 1024 * 1024
"""Bytes that a follower may lag behind before chunks are dropped for it, and counted."""
MOUTHFUL = 64 * 1024
"""Bytes after which `take` leaves the rest for the next time: what is taken is held by the reader."""


class Follower:
    """One reader of new records, of one stream or both. What it is too slow for is counted."""

    def __init__(self, stream: str | None = None) -> None:
        self._stream = stream
        self._waiting: deque[Chunk] = deque()
        self._held = 0
        self._news = anyio.Event()
        self._missed = 0
        self._last: dict[str, str] = {}

    def offer(self, chunk: Chunk) -> None:
        if self._stream not in (None, chunk.stream):
            return
        # Once something is missed all that follows is, so that the gap lies in one place.
        if self._missed or self._held + chunk.cost > FOLLOWER_SIZE:
            self._missed += len(chunk.data)
            self._last[chunk.instance] = chunk.time
        else:
            self._waiting.append(chunk)
            self._held += chunk.cost
        self._news.set()

    async def take(self) -> tuple[Iterator[Record], int]:
        """The next records, or, when there are none and some were missed, how many bytes these had."""
        while not self._waiting and not self._missed:
            self._news = anyio.Event()
            await self._news.wait()
        if self._waiting:
            return self._mouthful(), 0
        missed, self._missed = self._missed, 0
        return iter(()), missed

    def last_missed(self) -> dict[str, str]:
        """The time of the last that was missed of each instance, since this was asked before."""
        last, self._last = self._last, {}
        return last

    def _mouthful(self) -> Iterator[Record]:
        taken: list[Chunk] = []
        rest = self._held - MOUTHFUL
        while self._waiting and self._held > rest:
            taken.append(self._waiting.popleft())
            self._held -= taken[-1].cost
        return chain.from_iterable(chunk.records() for chunk in taken)
