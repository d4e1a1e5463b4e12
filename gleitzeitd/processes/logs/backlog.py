"""What one instance printed and the writer has yet to write: here the loop and the writer meet.

The bound is hard. Readers stop long before it, so that there is room for the last words of a process; past
the bound bytes are dropped, and a gap in the backlog says how many and where.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from gleitzeitd.processes.logs.lines import Chunk

BACKLOG_SIZE = 2048 * 1024
MUCH = BACKLOG_SIZE // 4
"""Bytes at which readers stop: one more read, and all that both pipes hold at an end, still has room."""
PATIENCE = 5.0
"""Seconds without any progress of the writer after which nobody waits for it."""
TOO_SLOW = "the disk does not keep up"


@dataclass(slots=True)
class Gap:
    """Bytes that were dropped here. It grows until the writer takes it."""

    size: int = 0
    cost = 0


class Close:
    """The file is to be closed here."""

    cost = 0


Item = Chunk | Gap | Close


class Progress:
    """When the writer last got on, with whichever output: one disk that hangs holds up all of them."""

    def __init__(self) -> None:
        self.last = 0.0

    def make(self) -> None:
        self.last = time.monotonic()


class Backlog:
    def __init__(self, wake: Callable[[], bool], progress: Progress) -> None:
        """`wake`: there is something again, after there was nothing. False when nobody can be woken now."""
        self.dropped = 0
        self._wake = wake
        self._progress = progress
        self._items: deque[Item] = deque()
        self._held = 0
        self._taken = 0
        self._is_idle = True
        self._is_roused = False
        self._since = 0.0
        self._change = threading.Condition()
        self._room: tuple[asyncio.AbstractEventLoop, anyio.Event] | None = None

    # The loop's side.

    @property
    def is_full(self) -> bool:
        """Whether one should stop reading."""
        return self._held > MUCH

    def put(self, chunk: Chunk) -> bool:
        """False when it was dropped."""
        with self._change:
            if has_room := self._has_room(chunk):
                self._items.append(chunk)
                self._held += chunk.cost
            else:
                self._drop(len(chunk.data))
        self._rouse()
        return has_room

    def put_close(self) -> None:
        with self._change:
            self._items.append(Close())
        self._rouse()

    def _has_room(self, chunk: Chunk) -> bool:
        # After a gap there has to be much room again: many small gaps tell less than one.
        is_gap = bool(self._items) and isinstance(self._items[-1], Gap)
        return not self.is_full if is_gap else self._held + chunk.cost <= BACKLOG_SIZE

    def _drop(self, size: int) -> None:
        gap = self._items[-1] if self._items else None
        if not isinstance(gap, Gap):
            gap = Gap()
            self._items.append(gap)
        gap.size += size
        self.dropped += size

    def _rouse(self) -> None:
        with self._change:
            if self._is_roused:
                return
            if self._is_idle:
                self._is_idle, self._since = False, time.monotonic()
            self._is_roused = True
        if not self._wake():
            # There may be a thread for it by the time that something more is printed.
            self._is_roused = False

    async def room(self) -> None:
        """Wait until one may read on, or until the writer has stood still for too long."""
        while (left := self._patience()) > 0 and (room := self._news_of_room()):
            with anyio.move_on_after(left):
                await room.wait()

    def _patience(self) -> float:
        return max(self._since, self._progress.last) + PATIENCE - time.monotonic()

    def _news_of_room(self) -> anyio.Event | None:
        with self._change:
            if not self.is_full:
                return None
            if self._room is None:
                self._room = asyncio.get_running_loop(), anyio.Event()
            return self._room[1]

    # The writer's side.

    def take(self, limit: int) -> list[Item]:
        """About `limit` bytes, which count as held until they are settled. Empty when all was settled."""
        taken: list[Item] = []
        with self._change:
            while self._items and limit > 0:
                taken.append(self._items.popleft())
                limit -= taken[-1].cost
                self._taken += taken[-1].cost
            if not taken:
                self._is_idle, self._is_roused = True, False
                self._change.notify_all()
        return taken

    def settle(self, size: int | None = None) -> None:
        """So much of what was taken is written, or given up; without `size`, all that is left of it."""
        self._progress.make()
        with self._change:
            size = self._taken if size is None else size
            self._taken -= size
            self._held -= size
            room = self._room if not self.is_full else None
            if room is not None:
                self._room = None
        if room is not None:
            loop, news = room
            # The loop may have ended in the meantime.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(news.set)

    # Whoever may block.

    def wait(self, timeout: float) -> bool:
        """Wait until all is settled. False when it is not in time."""
        with self._change:
            return self._change.wait_for(lambda: self._is_idle, timeout)
